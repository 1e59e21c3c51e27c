"""Functions with their gradients in closed form, which take fewer passes over a tensor than autodiff's.

`tf.custom_gradient` in a graph keeps that graph, and the weights that it reads, in memory for good. Each function here
is a small graph of its own, traced once for a shape, so that no training's graph is kept.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import tensorflow as tf

Gradient = Callable[..., "tf.Tensor | tuple[tf.Tensor | None, ...]"]


def layer_norm(rows: tf.Tensor, gamma: tf.Tensor, beta: tf.Tensor, epsilon: float) -> tf.Tensor:
    """Normalizes rows (1607.06450), for graphs that are not differentiated.

    Args:
        rows: float32 [rows, width].
        gamma: float32 [width].
        beta: float32 [width].
        epsilon: Added to the variance.
    """
    return _layer_norm(rows, gamma, beta, tf.constant(epsilon))[0]


@tf.function(autograph=False)
@tf.custom_gradient
def layer_norm_in_training(
    rows: tf.Tensor, gamma: tf.Tensor, beta: tf.Tensor, epsilon: tf.Tensor
) -> tuple[tf.Tensor, Gradient]:
    """Returns what `layer_norm` does, for tensors alone; autodiff of Keras's takes three dozen operations."""
    return _layer_norm(rows, gamma, beta, epsilon)


def _layer_norm(rows: tf.Tensor, gamma: tf.Tensor, beta: tf.Tensor, epsilon: tf.Tensor) -> tuple[tf.Tensor, Gradient]:
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


def exact_gelu(inputs: tf.Tensor) -> tf.Tensor:
    """Returns x times the normal distribution's P(X <= x), by the error function (1606.08415 sec. 2)."""
    return tf.keras.activations.gelu(inputs, approximate=False)


@tf.function(autograph=False)
@tf.custom_gradient
def exact_gelu_in_training(inputs: tf.Tensor) -> tuple[tf.Tensor, Gradient]:
    """Returns what `exact_gelu` does.

    The gradient of autodiff goes over the tensor, the widest of a block, a dozen times; this one half as often.
    """
    below = tf.math.erf(inputs * math.sqrt(0.5)) * 0.5 + 0.5

    def gradient(upstream: tf.Tensor) -> tf.Tensor:
        density = tf.exp(tf.square(inputs) * -0.5 - 0.5 * math.log(2.0 * math.pi))
        return upstream * (below + inputs * density)

    return inputs * below, gradient
