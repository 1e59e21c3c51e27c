"""A Transformer block of BERT as a function of tensors (1706.03762 sec. 3).

LayerNorm and exact GELU have closed gradients in training, which take fewer passes over a tensor than autodiff's.
`tf.custom_gradient` in a graph keeps that graph, and the weights that it reads, in memory for good. Each function with
one is therefore a small graph of its own, traced once for a shape, so that no training's graph is kept.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Mapping
from typing import NamedTuple

import tensorflow as tf

from mtdnn_tf.modeling.backbone import EPSILON, GELU, MASKED
from mtdnn_tf.modeling.disentangled_attention import (
    RELATIVE_DROPOUT,
    RELATIVE_POSITIONS,
    disentangled_scores,
    rows_of_first_position,
)
from mtdnn_tf.modeling.dropout import drop

# The last parts of the names of a block's dropouts, in the order in which they act.
DROPOUTS = ("attention.self.dropout", "attention.output.dropout", "output.dropout")
ACTIVATIONS: dict[str, Callable[[tf.Tensor], tf.Tensor]] = {
    GELU: lambda inputs: tf.keras.activations.gelu(inputs, approximate=False),
    "gelu_approximate": lambda inputs: tf.keras.activations.gelu(inputs, approximate=True),
    "relu": tf.nn.relu,
}
Weights = Mapping[str, tf.Tensor]
ATTENTION_PARTS = ("attention.self.query", "attention.self.key", "attention.self.value")
# Names of all or two of them as one linear layer, which a weight reader may give instead.
QUERY_KEY_VALUE = "attention.self.query_key_value"
KEY_VALUE = "attention.self.key_value"
# The starts of a block's draws (`SixteenBitDropout.reserve`) by the dropouts' names; empty for no dropout.
Starts = Mapping[str, tf.Tensor]
Gradient = Callable[..., "tf.Tensor | tuple[tf.Tensor | None, ...]"]


class BlockSettings(NamedTuple):
    """What a block computes beside its tensors."""

    num_heads: int
    activation: str
    dropped: int  # Dropout rate times 65536.
    training: bool
    first_position: bool  # Whether the output is of the first position only.
    epsilon: float = EPSILON  # Of LayerNorm.
    rotary_base: float = 0.0  # Of rotary positions, in blocks that have them.


# A block as a function of states, mask, weights, starts and settings.
Block = Callable[[tf.Tensor, tf.Tensor, Weights, Starts, BlockSettings], tf.Tensor]


def _layer_norm(rows: tf.Tensor, gamma: tf.Tensor, beta: tf.Tensor, epsilon: tf.Tensor) -> tuple[tf.Tensor, Gradient]:
    centered = rows - tf.reduce_mean(rows, axis=1, keepdims=True)
    variance = tf.reduce_mean(tf.square(centered), axis=1, keepdims=True)
    scale = tf.math.rsqrt(variance + epsilon)
    normal = centered * scale

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


# Of float32 [rows, width] (1607.06450); autodiff of Keras's takes three dozen operations.
layer_norm_in_training = tf.function(tf.custom_gradient(_layer_norm), autograph=False)


@tf.function(autograph=False)
@tf.custom_gradient
def exact_gelu_in_training(inputs: tf.Tensor) -> tuple[tf.Tensor, Gradient]:
    """Returns x times the normal distribution's P(X <= x), by the error function (1606.08415 sec. 2).

    The gradient of autodiff goes over the tensor, the widest of a block, a dozen times; this one half as often.
    """
    below = tf.math.erf(inputs * math.sqrt(0.5)) * 0.5 + 0.5

    def gradient(upstream: tf.Tensor) -> tf.Tensor:
        density = tf.exp(tf.square(inputs) * -0.5 - 0.5 * math.log(2.0 * math.pi))
        return upstream * (below + inputs * density)

    return inputs * below, gradient


def attention_mask(padding_mask: tf.Tensor, dtype: tf.DType) -> tf.Tensor:
    """Returns what is added to attention's scores, [batch, 1, 1, length], where 0 in [batch, length] marks padding."""
    return tf.expand_dims(tf.expand_dims(closing(tf.equal(padding_mask, 0), dtype), 1), 1)


def closing(is_closed: tf.Tensor, dtype: tf.DType) -> tf.Tensor:
    """Returns what is added to attention's scores, given where there is no attention."""
    return tf.cast(is_closed, dtype) * tf.cast(tf.maximum(MASKED, dtype.min), dtype)


def normalize(rows: tf.Tensor, weights: Weights, name: str, training: bool, epsilon: float = EPSILON) -> tf.Tensor:
    """Returns LayerNorm of rows [rows, width], in float32 inside whatever the precision; it may have no bias."""
    gamma = tf.cast(weights[f"{name}.weight"], tf.float32)
    beta = tf.cast(weights[f"{name}.bias"], tf.float32) if f"{name}.bias" in weights else tf.zeros_like(gamma)
    arguments = tf.cast(rows, tf.float32), gamma, beta, tf.constant(epsilon)
    # A graph that is served holds no gradients.
    normal = layer_norm_in_training(*arguments) if training else _layer_norm(*arguments)[0]
    return tf.cast(normal, rows.dtype)


def activate(rows: tf.Tensor, settings: BlockSettings) -> tf.Tensor:
    """Returns the activation of a feed-forward layer's rows."""
    is_closed = settings.training and settings.activation == GELU
    return exact_gelu_in_training(rows) if is_closed else ACTIVATIONS[settings.activation](rows)


def dense(rows: tf.Tensor, weights: Weights, name: str) -> tf.Tensor:
    """Returns rows [rows, inputs] through a linear layer: [rows, outputs]."""
    kernel, bias = _kernel_and_bias(rows, weights, name)
    return tf.nn.bias_add(tf.matmul(rows, kernel), bias)


def _kernel_and_bias(rows: tf.Tensor, weights: Weights, name: str) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns the kernel [inputs, outputs] and bias [outputs] of a linear layer, in the type of its inputs."""
    kernel, bias = weights[f"{name}.weight"], weights[f"{name}.bias"]
    if kernel.shape.rank != 2 or bias.shape.rank != 1:
        kernel, bias = tf.reshape(kernel, [rows.shape[-1], -1]), tf.reshape(bias, [-1])
    return tf.cast(kernel, rows.dtype), tf.cast(bias, rows.dtype)


def transformer_block(
    states: tf.Tensor, mask: tf.Tensor, weights: Weights, starts: Starts, settings: BlockSettings
) -> tf.Tensor:
    """Returns the block's output, [batch, length, width], or [batch, 1, width] for the first position only.

    `mask` is of `attention_mask`; weights are named as after "encoder.layer.N.". Attention is disentangled if they have
    `RELATIVE_POSITIONS`.
    """
    training = settings.training
    answered = states[:, :1] if settings.first_position else states
    # Of a tensor that all blocks share, TensorFlow's optimizer keeps one operation.
    batch, width = tf.shape(mask)[0], states.shape[-1]
    rows = tf.reshape(answered, [-1, width])
    every = tf.reshape(states, [-1, width]) if settings.first_position else rows

    def dropout(values: tf.Tensor, name: str) -> tf.Tensor:
        return drop(values, settings.dropped, starts[name]) if starts else values

    query, key, value = _query_key_value(rows, every, batch, weights, settings)
    if RELATIVE_POSITIONS in weights:
        positions = dropout(tf.cast(weights[RELATIVE_POSITIONS], rows.dtype), RELATIVE_DROPOUT)
        if settings.first_position:
            positions = rows_of_first_position(positions, tf.shape(states)[1])
        relative_query, relative_key = (
            _heads(positions, 1, _kernel_and_bias(rows, weights, part), settings) for part in ATTENTION_PARTS[:2]
        )
        scores = disentangled_scores(query, key, relative_query, relative_key, settings.first_position)
    else:
        scores = tf.matmul(query * (width // settings.num_heads) ** -0.5, key, transpose_b=True)
    mixed = tf.matmul(dropout(tf.nn.softmax(scores + mask), DROPOUTS[0]), value)
    mixed = tf.reshape(tf.transpose(mixed, [0, 2, 1, 3]), [-1, width])
    attended = dropout(dense(mixed, weights, "attention.output.dense"), DROPOUTS[1])
    rows = normalize(attended + rows, weights, "attention.output.LayerNorm", training, settings.epsilon)
    wide = activate(dense(rows, weights, "intermediate.dense"), settings)
    narrow = dropout(dense(wide, weights, "output.dense"), DROPOUTS[2])
    rows = normalize(narrow + rows, weights, "output.LayerNorm", training, settings.epsilon)
    outputs = tf.reshape(rows, [batch, -1, width])
    outputs.set_shape(answered.shape)
    return outputs


def _heads(
    inputs: tf.Tensor, batch: tf.Tensor | int, layer: tuple[tf.Tensor, tf.Tensor], settings: BlockSettings
) -> tf.Tensor:
    """Returns rows [batch * length, width] through a linear layer as [batch, heads, length, depth]."""
    kernel, bias = layer
    projected = tf.nn.bias_add(tf.matmul(inputs, kernel), bias)
    shape = [batch, -1, settings.num_heads, inputs.shape[-1] // settings.num_heads]
    return tf.transpose(tf.reshape(projected, shape), [0, 2, 1, 3])


def _query_key_value(
    rows: tf.Tensor, every: tf.Tensor, batch: tf.Tensor, weights: Weights, settings: BlockSettings
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """Returns the queries of `rows`, the keys and the values of `every` row, each [batch, heads, length, depth].

    One matrix product makes queries, keys and values in training, and where `weights` has them as one layer.
    """
    heads, depth = settings.num_heads, rows.shape[-1] // settings.num_heads

    def layer(name: str) -> tuple[tf.Tensor, tf.Tensor]:
        return _kernel_and_bias(rows, weights, name)

    def joined(*names: str) -> tuple[tf.Tensor, tf.Tensor]:
        kernels, biases = zip(*map(layer, names))
        return tf.concat(kernels, axis=1), tf.concat(biases, axis=0)

    def project_together(inputs: tf.Tensor, kernel: tf.Tensor, bias: tf.Tensor, parts: int) -> list[tf.Tensor]:
        projected = tf.nn.bias_add(tf.matmul(inputs, kernel), bias)
        split = tf.reshape(projected, [batch, -1, parts, heads, depth])
        return list(tf.unstack(tf.transpose(split, [2, 0, 3, 1, 4])))

    if f"{QUERY_KEY_VALUE}.weight" in weights:
        query, key, value = project_together(rows, *layer(QUERY_KEY_VALUE), 3)
    elif settings.training and rows is every:
        query, key, value = project_together(rows, *joined(*ATTENTION_PARTS), 3)
    else:
        query = _heads(rows, batch, layer(ATTENTION_PARTS[0]), settings)
        if f"{KEY_VALUE}.weight" in weights:
            key, value = project_together(every, *layer(KEY_VALUE), 2)
        elif settings.training:
            key, value = project_together(every, *joined(*ATTENTION_PARTS[1:]), 2)
        else:
            # Copying the matrices into one takes longer than what the one product saves on a single short text.
            key, value = (_heads(every, batch, layer(name), settings) for name in ATTENTION_PARTS[1:])
    return query, key, value


def recomputed_block(
    states: tf.Tensor,
    mask: tf.Tensor,
    weights: Weights,
    starts: Starts,
    settings: BlockSettings,
    block: Block = transformer_block,
) -> tf.Tensor:
    """Returns what `block` does, computing it again in the backward pass (1604.06174).

    Dropout draws the same numbers in both passes, as its draws begin at the same starts.
    """
    function = _recomputed(block, settings, tuple(weights), tuple(starts))
    # Tensors, so that the function depends on no model's variables.
    return function(states, mask, *starts.values(), *(tf.convert_to_tensor(weight) for weight in weights.values()))


@functools.cache
def _recomputed(
    function: Block, settings: BlockSettings, names: tuple[str, ...], dropouts: tuple[str, ...]
) -> Callable[..., tf.Tensor]:
    num_starts = len(dropouts)

    def run(states: tf.Tensor, mask: tf.Tensor, *tensors: tf.Tensor) -> tf.Tensor:
        starts = dict(zip(dropouts, tensors[:num_starts]))
        return function(states, mask, dict(zip(names, tensors[num_starts:])), starts, settings)

    @tf.function(autograph=False)
    @tf.custom_gradient
    def block(states: tf.Tensor, mask: tf.Tensor, *tensors: tf.Tensor) -> tuple[tf.Tensor, Gradient]:
        starts, weights = tensors[:num_starts], tensors[num_starts:]

        def gradient(upstream: tf.Tensor) -> tuple[tf.Tensor | None, ...]:
            # 0, known only with the incoming gradient: the compiler cannot merge both passes, nor begin early.
            zero = tf.minimum(tf.abs(tf.reshape(upstream, [-1])[0]), 0)
            later = states + tf.cast(zero, states.dtype)
            with tf.GradientTape(watch_accessed_variables=False) as tape:
                tape.watch([later, *weights])
                outputs = run(later, mask, *starts, *weights)
            of_states, *of_weights = tape.gradient(outputs, [later, *weights], upstream)
            return (of_states, None, *[None] * num_starts, *of_weights)

        return run(states, mask, *tensors), gradient

    return block
