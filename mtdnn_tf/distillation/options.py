"""Options of distillation: which soft targets, and how they enter the loss."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import tensorflow as tf

from mtdnn_tf.errors import UserError
from mtdnn_tf.kinds.values import DISTILL_LOSSES
from mtdnn_tf.options import Options, option, shown
from mtdnn_tf.tasks.task import TRAIN

# "The average of two objective functions" (1904.09482 sec. 3), and at first only the teachers: teacher annealing of BAM
# (Clark et al. 2019, arXiv 1907.04829).
_DEFAULT_WEIGHTS = {"constant": 0.5, "linear": 1.0}


@dataclasses.dataclass(frozen=True)
class DistillationOptions(Options):
    """How soft targets enter the loss."""

    weight: float | None = option(
        None,
        "Weight of the distilled loss; the gold loss has 1 - weight.",
        name="distill_weight",
        unset="0.5; 1 with `--distill_schedule=linear`",
        at_least=0,
        at_most=1,
    )
    temperature: float = option(
        1.0,
        "Temperature that divides the logits of student and teacher in classification and ranking; the loss is "
        "multiplied by its square. 1 with `--distill_loss=mse`.",
        at_least=0.01,
        at_most=1000,
    )
    loss: str = option(
        "cross_entropy",
        "Distilled loss of classification, and of ranking over the candidates of each query: cross-entropy against the "
        "averaged probabilities, KL divergence, or mean squared error of centered logits (teachers' probabilities are "
        "at least 1e-6).",
        name="distill_loss",
        choices=DISTILL_LOSSES,
    )
    schedule: str = option(
        "constant",
        "Weight of the distilled loss over the steps: constant, or linear from `--distill_weight` at the first step to "
        "0 at the last (teacher annealing).",
        name="distill_schedule",
        choices=tuple(_DEFAULT_WEIGHTS),
    )
    variance_weighting: bool = option(
        False,
        "Multiply the distilled loss of a regression example by 1 / (1 + variance / mean variance) of the teachers' "
        "scores.",
        name="distill_variance_weighting",
    )
    soft_targets: tuple[Path, ...] = option(
        (), "Comma-separated folders that mtdnn score wrote; makes the run a student.", decides_weights=False
    )
    transfer_splits: tuple[str, ...] = option(
        (),
        "Comma-separated splits that are also trained on, without gold labels, where a task has soft targets for them.",
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if TRAIN in self.transfer_splits or len(set(self.transfer_splits)) < len(self.transfer_splits):
            raise UserError(
                f"`transfer_splits` must be different splits other than {TRAIN}, got {shown(self.transfer_splits)}"
            )
        if self.loss == "mse" and self.temperature != 1:
            # It would change nothing: it divides the logits, and its square multiplies the loss.
            raise UserError(f"`temperature` must be 1 with `distill_loss=mse`, got {self.temperature:g}")

    @property
    def first_weight(self) -> float:
        """The weight at the first step."""
        return _DEFAULT_WEIGHTS[self.schedule] if self.weight is None else self.weight

    def weight_at(self, step: tf.Tensor, total_steps: int) -> tf.Tensor:
        """Returns the distilled loss's weight at a step, a float32 scalar."""
        if self.schedule == "constant":
            return tf.constant(self.first_weight, tf.float32)
        progress = tf.cast(step, tf.float32) / max(total_steps - 1, 1)
        return self.first_weight * tf.clip_by_value(1.0 - progress, 0.0, 1.0)


def mixture_weight(weight: tf.Tensor, has_gold: tf.Tensor, has_teacher: tf.Tensor) -> tf.Tensor:
    """Returns the weight of the distilled loss for each example, float32 [batch]; the flags are bool [batch].

    It is 0 without a teacher, 1 without a gold label, and the scalar `weight` with both.
    """
    return tf.where(has_teacher, tf.where(has_gold, weight, 1.0), 0.0)
