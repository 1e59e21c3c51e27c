"""How the gold loss and the distilled loss of a task's kind are mixed."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import tensorflow as tf

from mtdnn_tf.errors import UserError, unknown_name
from mtdnn_tf.kinds.values import DISTILL_LOSSES

# Of the schedules: "the average of two objective functions" (1904.09482 sec. 3), and the teachers alone at first.
DEFAULT_WEIGHTS = {"constant": 0.5, "linear": 1.0}


@dataclasses.dataclass(frozen=True)
class DistillationOptions:
    """How soft targets enter the loss.

    Attributes:
        weight: Weight of the distilled loss, at the first step where it falls; the gold loss has 1 - weight. 0.5 is
            "the average of two objective functions" (1904.09482 sec. 3).
        temperature: Divides the logits of student and teacher; the loss is multiplied by its square. 1 is the paper's.
        loss: Distilled loss of classification, and of ranking over each list of candidates: "cross_entropy" against
            the averaged probabilities (the paper's), "kl", or "mse" between centred logits.
        schedule: "constant", or "linear": from `weight` at the first step in equal steps down to 0 at the last. With a
            weight of 1 that is the teacher annealing of BAM (Clark et al. 2019, arXiv 1907.04829).
        variance_weighting: Whether the distilled loss of a regression's example is multiplied by
            1 / (1 + variance / mean variance) of the teachers' scores.
    """

    weight: float = 0.5
    temperature: float = 1.0
    loss: str = "cross_entropy"
    schedule: str = "constant"
    variance_weighting: bool = False

    def __post_init__(self) -> None:
        if not 0.0 <= self.weight <= 1.0:
            raise UserError(f"--distill_weight takes a number from 0 to 1, {self.weight} given")
        if not 0.0 < self.temperature < float("inf"):
            raise UserError(f"--temperature takes a number above 0, {self.temperature} given")
        if self.loss not in DISTILL_LOSSES:
            raise unknown_name("--distill_loss", self.loss, DISTILL_LOSSES)
        if self.schedule not in SCHEDULES:
            raise unknown_name("--distill_schedule", self.schedule, SCHEDULES)

    def weight_at(self, step: tf.Tensor, total_steps: int) -> tf.Tensor:
        """Returns the distilled loss's weight at a step, a float32 scalar."""
        return SCHEDULES[self.schedule](self.weight, tf.cast(step, tf.float32) / max(total_steps - 1, 1))


SCHEDULES: dict[str, Callable[[float, tf.Tensor], tf.Tensor]] = {
    "constant": lambda weight, progress: tf.constant(weight, tf.float32),
    "linear": lambda weight, progress: weight * tf.clip_by_value(1.0 - progress, 0.0, 1.0),
}


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
