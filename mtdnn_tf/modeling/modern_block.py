"""A block of ModernBERT as a function of tensors (Warner et al. 2024, arXiv 2412.13663 sec. 2.1).

It normalizes what goes into attention and into the feed-forward layer, not their outputs; attention rotates queries and
keys by their positions (Su et al. 2021, arXiv 2104.09864), and a part of the feed-forward layer gates the other
(Shazeer 2020, arXiv 2002.05202). Linear layers and LayerNorm have no biases.
"""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from mtdnn_tf.modeling.dropout import drop
from mtdnn_tf.modeling.encoder_block import (
    ATTENTION_PARTS,
    DROPOUTS,
    KEY_VALUE,
    QUERY_KEY_VALUE,
    BlockSettings,
    Starts,
    Weights,
    activate,
    closing,
    normalize,
)

ATTENTION_NORM = "attention.LayerNorm"
FEED_FORWARD_NORM = "intermediate.LayerNorm"


def inverse_wavelengths(base: float, depth: int) -> np.ndarray:
    """Returns the angles, in radians, by which one position rotates each pair of a head's numbers: [depth / 2].

    Args:
        base: Of rotary positions.
        depth: Width of a head, even.
    """
    # In float32, as the reference computes it.
    exponents = np.arange(0, depth, 2, dtype=np.float32) / np.float32(depth)
    return (np.float32(1.0) / np.float32(base) ** exponents).astype(np.float32)


def local_mask(padding_mask: tf.Tensor, window: int, dtype: tf.DType) -> tf.Tensor:
    """Returns what is added to scores of local attention, [batch, 1, length, length].

    Every position attends to itself, so that the rows of padding far from a text have a finite softmax in 16 bits, too.

    Args:
        padding_mask: [batch, length]; 0 marks padding.
        window: To how many positions at each side a position attends.
        dtype: Of the scores.
    """
    places = tf.range(tf.shape(padding_mask)[1])
    distances = places[:, tf.newaxis] - places
    # LiteRT adds axes to numbers only.
    is_text = tf.not_equal(tf.expand_dims(tf.expand_dims(padding_mask, 1), 1), 0)
    is_near = tf.logical_and(distances <= window, distances >= -window)
    is_open = tf.logical_or(tf.logical_and(is_near, is_text), tf.equal(distances, 0))
    return closing(tf.logical_not(is_open), dtype)


def modern_block(
    states: tf.Tensor, mask: tf.Tensor, weights: Weights, starts: Starts, settings: BlockSettings
) -> tf.Tensor:
    """Returns the block's output, [batch, length, width], or [batch, 1, width] for the first position only.

    `mask` is of `encoder_block.attention_mask`, or of `local_mask`; weights are named as after "encoder.layer.N.".
    Without the norm of attention, attention reads the states as they are.
    """
    batch, width = tf.shape(states)[0], states.shape[-1]
    every = tf.reshape(states, [-1, width])
    answered = states[:, :1] if settings.first_position else states
    rows = tf.reshape(answered, [-1, width]) if settings.first_position else every

    def dropout(values: tf.Tensor, name: str) -> tf.Tensor:
        return drop(values, settings.dropped, starts[name]) if starts else values

    def normal(inputs: tf.Tensor, name: str) -> tf.Tensor:
        return normalize(inputs, weights, name, settings.training, settings.epsilon)

    read = normal(every, ATTENTION_NORM) if f"{ATTENTION_NORM}.weight" in weights else every
    query, key, value = _query_key_value(read, batch, weights, settings)
    if settings.first_position:
        mask = mask[:, :, :1]
    scores = tf.matmul(query * (width // settings.num_heads) ** -0.5, key, transpose_b=True)
    mixed = tf.matmul(dropout(tf.nn.softmax(scores + mask), DROPOUTS[0]), value)
    mixed = tf.reshape(tf.transpose(mixed, [0, 2, 1, 3]), [-1, width])
    rows += dropout(_linear(mixed, weights, "attention.output.dense"), DROPOUTS[1])
    wide = _linear(normal(rows, FEED_FORWARD_NORM), weights, "intermediate.dense")
    inputs, gate = tf.split(wide, 2, axis=-1)
    rows += dropout(_linear(activate(inputs, settings) * gate, weights, "output.dense"), DROPOUTS[2])
    outputs = tf.reshape(rows, [batch, -1, width])
    outputs.set_shape(answered.shape)
    return outputs


def _linear(rows: tf.Tensor, weights: Weights, name: str) -> tf.Tensor:
    return tf.matmul(rows, tf.cast(weights[f"{name}.weight"], rows.dtype))


def _query_key_value(
    rows: tf.Tensor, batch: tf.Tensor, weights: Weights, settings: BlockSettings
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """Returns queries and keys, rotated, and values, each [batch, heads, length, depth].

    `rows` are [batch * length, width]; queries are of the first position only if that alone is computed.
    """
    width, heads = rows.shape[-1], settings.num_heads

    def parts(inputs: tf.Tensor, kernel: tf.Tensor, number: int) -> list[tf.Tensor]:
        projected = tf.matmul(inputs, tf.cast(kernel, inputs.dtype))
        split = tf.reshape(projected, [batch, -1, number, heads, width // heads])
        return list(tf.unstack(tf.transpose(split, [2, 0, 3, 1, 4])))

    if f"{KEY_VALUE}.weight" in weights:
        of_query, of_others = weights[f"{ATTENTION_PARTS[0]}.weight"], weights[f"{KEY_VALUE}.weight"]
    elif settings.first_position:
        joined = tf.convert_to_tensor(weights[f"{QUERY_KEY_VALUE}.weight"])
        of_query, of_others = joined[:, :width], joined[:, width:]
    else:
        query, key, value = parts(rows, weights[f"{QUERY_KEY_VALUE}.weight"], 3)
        return _rotated(query, settings), _rotated(key, settings), value
    key, value = parts(rows, of_others, 2)
    if settings.first_position:
        # The first position is not rotated.
        first = tf.reshape(rows, [batch, -1, width])[:, 0]
        return parts(first, of_query, 1)[0], _rotated(key, settings), value
    return _rotated(parts(rows, of_query, 1)[0], settings), _rotated(key, settings), value


def _rotated(heads: tf.Tensor, settings: BlockSettings) -> tf.Tensor:
    """Returns [batch, heads, length, depth] rotated by the positions, the n-th number with the n-th of the other half.

    Angles are in float32 whatever the precision.
    """
    frequencies = tf.constant(inverse_wavelengths(settings.rotary_base, heads.shape[-1]))
    angles = tf.cast(tf.range(tf.shape(heads)[2]), tf.float32)[:, tf.newaxis] * frequencies
    cosine, sine = tf.cast(tf.cos(angles), heads.dtype), tf.cast(tf.sin(angles), heads.dtype)
    first, second = tf.split(heads, 2, axis=-1)
    return tf.concat([first * cosine - second * sine, second * cosine + first * sine], axis=-1)
