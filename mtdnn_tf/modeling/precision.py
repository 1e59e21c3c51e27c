"""Mixed precision: the encoder computes in 16 bits; variables, heads and losses stay in float32."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import tensorflow as tf

FLOAT32 = "float32"
MIXED_FLOAT16 = "mixed_float16"
PRECISIONS = (FLOAT32, "mixed_bfloat16", MIXED_FLOAT16)


@contextlib.contextmanager
def layers_of_precision(precision: str) -> Iterator[None]:
    """Gives the layers that are built within it a Keras policy; layers outside keep the one they had.

    Args:
        precision: One of `PRECISIONS`.
    """
    before = tf.keras.mixed_precision.global_policy()
    tf.keras.mixed_precision.set_global_policy(precision)
    try:
        yield
    finally:
        tf.keras.mixed_precision.set_global_policy(before)


def with_loss_scale(optimizer: tf.keras.optimizers.Optimizer, precision: str) -> tf.keras.optimizers.Optimizer:
    """Returns the optimizer, under float16 with a dynamic loss scale, whose state is in its checkpoints.

    Small gradients are 0 in float16 (Micikevicius et al. 2018, arXiv 1710.03740): the loss is multiplied by a number
    that grows until a gradient overflows. That step changes no weights, and counts as a step all the same.
    """
    return tf.keras.mixed_precision.LossScaleOptimizer(optimizer) if precision == MIXED_FLOAT16 else optimizer
