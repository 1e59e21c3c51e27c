"""A Transformer block that computes its activations again in the backward pass instead of keeping them (1604.06174)."""

from __future__ import annotations

import functools
from collections.abc import Callable

import tensorflow as tf

from mtdnn_tf.modeling.encoder_block import DROPOUTS, BlockSettings, Starts, Weights, transformer_block


def recomputed_block(
    states: tf.Tensor, mask: tf.Tensor, weights: Weights, starts: Starts, settings: BlockSettings
) -> tf.Tensor:
    """Returns what `transformer_block` does, keeping only its arguments for the backward pass.

    Dropout draws the same numbers in both passes, as its draws begin at the same starts.
    """
    function = _block(settings, tuple(weights), len(starts))
    # Tensors, so that the function depends on no model's variables.
    return function(states, mask, *starts.values(), *(tf.convert_to_tensor(weight) for weight in weights.values()))


@functools.cache
def _block(settings: BlockSettings, names: tuple[str, ...], num_starts: int) -> Callable[..., tf.Tensor]:
    """Returns the block as a graph of its own, which `closed_gradients` says the reason for."""

    def run(states: tf.Tensor, mask: tf.Tensor, *tensors: tf.Tensor) -> tf.Tensor:
        starts = dict(zip(DROPOUTS, tensors[:num_starts]))
        return transformer_block(states, mask, dict(zip(names, tensors[num_starts:])), starts, settings)

    @tf.function(autograph=False)
    @tf.custom_gradient
    def block(
        states: tf.Tensor, mask: tf.Tensor, *tensors: tf.Tensor
    ) -> tuple[tf.Tensor, Callable[[tf.Tensor], tuple[tf.Tensor | None, ...]]]:
        starts, weights = tensors[:num_starts], tensors[num_starts:]

        def gradient(upstream: tf.Tensor) -> tuple[tf.Tensor | None, ...]:
            # 0, which only the incoming gradient tells: the compiler cannot merge both passes, nor begin early.
            zero = tf.minimum(tf.abs(tf.reshape(upstream, [-1])[0]), 0)
            later = states + tf.cast(zero, states.dtype)
            with tf.GradientTape(watch_accessed_variables=False) as tape:
                tape.watch([later, *weights])
                outputs = run(later, mask, *starts, *weights)
            of_states, *of_weights = tape.gradient(outputs, [later, *weights], upstream)
            return (of_states, None, *[None] * num_starts, *of_weights)

        return run(states, mask, *tensors), gradient

    return block
