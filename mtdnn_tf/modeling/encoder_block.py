"""A Transformer block of BERT that makes the same sums in fewer and larger operations than KerasNLP's."""

from __future__ import annotations

from collections.abc import Callable

import keras_nlp
import tensorflow as tf

from mtdnn_tf.modeling.gelu import exact_gelu, exact_gelu_in_training

_MASKED = -1e9


class EncoderBlock(keras_nlp.layers.TransformerEncoder):
    """KerasNLP's block with the same variables and layers, and another order of its operations.

    A KerasNLP block that has been called becomes one by its `__class__`: attention has its variables from that call.

    One matrix product makes queries, keys and values of all positions; LayerNorm has its gradient in closed form, where
    Keras's for small epsilons is a dozen operations forth and two dozen back, and exact GELU too (1706.03762 sec. 3.1
    and 3.2; 1607.06450).
    """

    def call(
        self,
        inputs: tf.Tensor,
        padding_mask: tf.Tensor | None = None,
        attention_mask: tf.Tensor | None = None,
        training: bool | None = None,
        first_position: bool = False,
    ) -> tf.Tensor:
        """Returns the block's output.

        Args:
            inputs: [batch, length, width].
            padding_mask: [batch, length]; 0 marks padding, which no position attends to. None for no padding.
            attention_mask: None: BERT's positions attend to all others.
            training: Whether dropout is on.
            first_position: Whether the output is of the first position alone, [batch, 1, width]. Defaults to False.
        """
        assert attention_mask is None and not self.normalize_first
        answered = inputs[:, :1] if first_position else inputs
        shape, width = tf.shape(answered), inputs.shape[-1]
        rows = tf.reshape(answered, [-1, width])
        every = tf.reshape(inputs, [-1, width]) if first_position else rows
        attended = self._attend(rows, every, shape[0], padding_mask, training)
        attended = self._self_attention_dropout(attended, training=training)
        rows = _normalize(attended + rows, self._self_attention_layer_norm, training)
        narrow = self._feedforward_dropout(
            self._feedforward_output_dense(self._widen(rows, training)), training=training
        )
        rows = _normalize(narrow + rows, self._feedforward_layer_norm, training)
        outputs = tf.reshape(rows, shape)
        outputs.set_shape(answered.shape)
        return outputs

    def _widen(self, rows: tf.Tensor, training: bool | None) -> tf.Tensor:
        """Returns what the feed-forward layer's first half makes of `rows`."""
        dense = self._feedforward_intermediate_dense
        # A graph that is served holds no gradients.
        if not training or dense.activation is not exact_gelu:
            return dense(rows)
        kernel, bias = (tf.cast(variable, rows.dtype) for variable in (dense.kernel, dense.bias))
        return exact_gelu_in_training(tf.nn.bias_add(tf.matmul(rows, kernel), bias))

    def _attend(
        self, rows: tf.Tensor, every: tf.Tensor, batch: tf.Tensor, mask: tf.Tensor | None, training: bool | None
    ) -> tf.Tensor:
        """Returns what `rows`, which are `every` row or the first of each sequence, gather from `every` row."""
        layer = self._self_attention_layer
        width = rows.shape[-1]
        depth = width // self.num_heads
        projections = (layer._query_dense, layer._key_dense, layer._value_dense)
        # Keras casts a variable within its layer's call alone, not where activations are computed again.
        kernels = [tf.cast(tf.reshape(dense.kernel, [width, width]), rows.dtype) for dense in projections]
        biases = [tf.cast(tf.reshape(dense.bias, [width]), rows.dtype) for dense in projections]
        if training and rows is every:
            query, key, value = self._project_together(rows, kernels, biases, batch)
        else:
            query = self._project(rows, kernels[0], biases[0], batch)
            if training:
                key, value = self._project_together(every, kernels[1:], biases[1:], batch)
            else:
                # Copying the matrices into one takes longer than what the one product saves on a single short text.
                key, value = (self._project(every, kernels[part], biases[part], batch) for part in (1, 2))
        scores = tf.matmul(query * depth**-0.5, key, transpose_b=True)
        if mask is not None:
            closed = tf.cast(tf.equal(mask, 0), scores.dtype) * tf.cast(
                tf.maximum(_MASKED, scores.dtype.min), scores.dtype
            )
            scores += closed[:, tf.newaxis, tf.newaxis, :]
        weights = layer._dropout_layer(tf.nn.softmax(scores), training=training)
        mixed = tf.transpose(tf.matmul(weights, value), [0, 2, 1, 3])
        output = layer._output_dense
        kernel = tf.cast(tf.reshape(output.kernel, [width, width]), rows.dtype)
        product = tf.matmul(tf.reshape(mixed, [-1, width]), kernel)
        return tf.nn.bias_add(product, tf.cast(output.bias, rows.dtype))

    def _project(self, rows: tf.Tensor, kernel: tf.Tensor, bias: tf.Tensor, batch: tf.Tensor) -> tf.Tensor:
        """Returns [batch, heads, length, depth] of [batch * length, width]."""
        depth = rows.shape[-1] // self.num_heads
        projected = tf.nn.bias_add(tf.matmul(rows, kernel), bias)
        return tf.transpose(tf.reshape(projected, [batch, -1, self.num_heads, depth]), [0, 2, 1, 3])

    def _project_together(
        self, rows: tf.Tensor, kernels: list[tf.Tensor], biases: list[tf.Tensor], batch: tf.Tensor
    ) -> list[tf.Tensor]:
        """Returns what `_project` would for each kernel, from one product."""
        depth = rows.shape[-1] // self.num_heads
        projected = tf.nn.bias_add(tf.matmul(rows, tf.concat(kernels, axis=1)), tf.concat(biases, axis=0))
        split = tf.reshape(projected, [batch, -1, len(kernels), self.num_heads, depth])
        return list(tf.unstack(tf.transpose(split, [2, 0, 3, 1, 4])))


def _normalize(rows: tf.Tensor, layer: tf.keras.layers.LayerNormalization, training: bool | None) -> tf.Tensor:
    """Returns what a layer of Keras's would, in float32 inside whatever the precision."""
    gamma, beta = (tf.cast(variable, tf.float32) for variable in (layer.gamma, layer.beta))
    normalize = tf.custom_gradient(_layer_norm) if training else lambda *arguments: _layer_norm(*arguments)[0]
    return tf.cast(normalize(tf.cast(rows, tf.float32), gamma, beta, tf.constant(layer.epsilon)), rows.dtype)


def _layer_norm(
    rows: tf.Tensor, gamma: tf.Tensor, beta: tf.Tensor, epsilon: tf.Tensor
) -> tuple[tf.Tensor, Callable[[tf.Tensor], tuple[tf.Tensor | None, ...]]]:
    """Returns the rows, normalized, and what makes their gradients of the outputs'."""
    mean = tf.reduce_mean(rows, axis=1, keepdims=True)
    variance = tf.reduce_mean(tf.math.squared_difference(rows, mean), axis=1, keepdims=True)
    scale = tf.math.rsqrt(variance + epsilon)
    normal = (rows - mean) * scale

    def gradient(upstream: tf.Tensor) -> tuple[tf.Tensor | None, ...]:
        inner = upstream * gamma
        mean = tf.reduce_mean(inner, axis=1, keepdims=True)
        along = tf.reduce_mean(inner * normal, axis=1, keepdims=True)
        return (
            scale * (inner - mean - normal * along),
            tf.reduce_sum(upstream * normal, axis=0),
            tf.reduce_sum(upstream, axis=0),
            None,
        )

    return normal * gamma + beta, gradient
