"""How the gold loss and the distilled loss of a task's kind are mixed."""

from __future__ import annotations

import tensorflow as tf


def mixture_weight(weight: tf.Tensor, has_gold: tf.Tensor, has_teacher: tf.Tensor) -> tf.Tensor:
    """Returns the weight of the distilled loss for each example.

    Args:
        weight: Scalar, the weight where an example has both a gold label and a teacher.
        has_gold: Bool [batch].
        has_teacher: Bool [batch].

    Returns:
        Float32 [batch]: `weight` with both, 1 without a gold label, 0 without a teacher.
    """
    with_teacher = tf.where(has_gold, weight, 1.0)
    return tf.where(has_teacher, with_teacher, 0.0)
