"""A Transformer block of BERT as a function of tensors (1706.03762 sec. 3)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

import tensorflow as tf

from mtdnn_tf.modeling.backbone import GELU
from mtdnn_tf.modeling.closed_gradients import (
    exact_gelu,
    exact_gelu_in_training,
    layer_norm,
    layer_norm_in_training,
)
from mtdnn_tf.modeling.dropout import drop

EPSILON = 1e-12
# The last parts of the names of a block's dropouts, in the order in which they act.
DROPOUTS = ("attention.self.dropout", "attention.output.dropout", "output.dropout")
_MASKED = -1e9
_ACTIVATIONS: dict[str, Callable[[tf.Tensor], tf.Tensor]] = {
    GELU: exact_gelu,
    "gelu_approximate": lambda inputs: tf.keras.activations.gelu(inputs, approximate=True),
    "relu": tf.nn.relu,
}
Weights = Mapping[str, tf.Tensor]
# The starts of a block's draws (`SixteenBitDropout.reserve`) by the dropouts' names; empty for no dropout.
Starts = Mapping[str, tf.Tensor]


class BlockSettings(NamedTuple):
    """What a block computes beside its tensors.

    Attributes:
        num_heads: Number of attention heads.
        activation: One of `backbone.ACTIVATIONS`.
        dropped: Dropout rate times 65536.
        training: Whether gradients are taken.
        first_position: Whether the output is of the first position only.
    """

    num_heads: int
    activation: str
    dropped: int
    training: bool
    first_position: bool


def attention_mask(padding_mask: tf.Tensor, dtype: tf.DType) -> tf.Tensor:
    """Returns what is added to attention's scores, [batch, 1, 1, length].

    Args:
        padding_mask: [batch, length]; 0 marks padding.
        dtype: Of the scores.
    """
    closed = tf.cast(tf.equal(padding_mask, 0), dtype) * tf.cast(tf.maximum(_MASKED, dtype.min), dtype)
    return closed[:, tf.newaxis, tf.newaxis, :]


def normalize(rows: tf.Tensor, weights: Weights, name: str, training: bool) -> tf.Tensor:
    """Returns LayerNorm of rows [rows, width], in float32 inside whatever the precision."""
    gamma, beta = (tf.cast(weights[f"{name}.{part}"], tf.float32) for part in ("weight", "bias"))
    wide = tf.cast(rows, tf.float32)
    if training:
        normal = layer_norm_in_training(wide, gamma, beta, tf.constant(EPSILON))
    else:
        normal = layer_norm(wide, gamma, beta, EPSILON)
    return tf.cast(normal, rows.dtype)


def dense(rows: tf.Tensor, weights: Weights, name: str) -> tf.Tensor:
    """Returns rows [rows, inputs] through a linear layer: [rows, outputs]."""
    kernel, bias = kernel_and_bias(rows, weights, name)
    return tf.nn.bias_add(tf.matmul(rows, kernel), bias)


def kernel_and_bias(rows: tf.Tensor, weights: Weights, name: str) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns the kernel [inputs, outputs] and bias [outputs] of a linear layer, in the type of its inputs."""
    kernel, bias = weights[f"{name}.weight"], weights[f"{name}.bias"]
    shapes = [rows.shape[-1], -1], [-1]
    kernel, bias = (tf.reshape(value, shape) for value, shape in zip((kernel, bias), shapes))
    return tf.cast(kernel, rows.dtype), tf.cast(bias, rows.dtype)


def transformer_block(
    states: tf.Tensor, mask: tf.Tensor, weights: Weights, starts: Starts, settings: BlockSettings
) -> tf.Tensor:
    """Returns the block's output, [batch, length, width], or [batch, 1, width] for the first position only.

    One matrix product makes queries, keys and values in training; LayerNorm and exact GELU have closed gradients there.

    Args:
        states: [batch, length, width].
        mask: Of `attention_mask`.
        weights: The block's weights, by their names after "encoder.layer.N.".
        starts: Where its dropouts begin to draw.
        settings: What else it depends on.
    """
    training = settings.training
    answered = states[:, :1] if settings.first_position else states
    shape, width = tf.shape(answered), states.shape[-1]
    rows = tf.reshape(answered, [-1, width])
    every = tf.reshape(states, [-1, width]) if settings.first_position else rows

    def dropout(values: tf.Tensor, name: str) -> tf.Tensor:
        return drop(values, settings.dropped, starts[name]) if starts else values

    scores, value = _scores_and_values(rows, every, shape[0], weights, settings)
    mixed = tf.matmul(dropout(tf.nn.softmax(scores + mask), DROPOUTS[0]), value)
    mixed = tf.reshape(tf.transpose(mixed, [0, 2, 1, 3]), [-1, width])
    attended = dropout(dense(mixed, weights, "attention.output.dense"), DROPOUTS[1])
    rows = normalize(attended + rows, weights, "attention.output.LayerNorm", training)
    # A graph that is served holds no gradients.
    is_closed = training and settings.activation == GELU
    activation = exact_gelu_in_training if is_closed else _ACTIVATIONS[settings.activation]
    wide = activation(dense(rows, weights, "intermediate.dense"))
    narrow = dropout(dense(wide, weights, "output.dense"), DROPOUTS[2])
    rows = normalize(narrow + rows, weights, "output.LayerNorm", training)
    outputs = tf.reshape(rows, shape)
    outputs.set_shape(answered.shape)
    return outputs


def _scores_and_values(
    rows: tf.Tensor, every: tf.Tensor, batch: tf.Tensor, weights: Weights, settings: BlockSettings
) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns the scores of `rows` for `every` row, [batch, heads, answered, length], and the values of `every` row."""
    heads, depth = settings.num_heads, rows.shape[-1] // settings.num_heads
    layers = [kernel_and_bias(rows, weights, f"attention.self.{part}") for part in ("query", "key", "value")]

    def project(inputs: tf.Tensor, kernel: tf.Tensor, bias: tf.Tensor) -> tf.Tensor:
        projected = tf.nn.bias_add(tf.matmul(inputs, kernel), bias)
        return tf.transpose(tf.reshape(projected, [batch, -1, heads, depth]), [0, 2, 1, 3])

    def project_together(inputs: tf.Tensor, parts: list[tuple[tf.Tensor, tf.Tensor]]) -> list[tf.Tensor]:
        kernels, biases = zip(*parts)
        projected = tf.nn.bias_add(tf.matmul(inputs, tf.concat(kernels, axis=1)), tf.concat(biases, axis=0))
        split = tf.reshape(projected, [batch, -1, len(parts), heads, depth])
        return list(tf.unstack(tf.transpose(split, [2, 0, 3, 1, 4])))

    if settings.training and rows is every:
        query, key, value = project_together(rows, layers)
    else:
        query = project(rows, *layers[0])
        if settings.training:
            key, value = project_together(every, layers[1:])
        else:
            # Copying the matrices into one takes longer than what the one product saves on a single short text.
            key, value = (project(every, *layer) for layer in layers[1:])
    return tf.matmul(query * depth**-0.5, key, transpose_b=True), value
