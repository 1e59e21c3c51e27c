"""The gold loss, the distilled loss, and their mixture, example by example."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import tensorflow as tf

from mtdnn_tf.distillation.ranking_losses import DISTILLED_LIST_LOSSES, gold_list_loss
from mtdnn_tf.errors import UserError, unknown_name
from mtdnn_tf.tasks.task import CLASSIFICATION, RANKING, REGRESSION, Task


def _cross_entropy(logits: tf.Tensor, teacher_logits: tf.Tensor) -> tf.Tensor:
    return -tf.reduce_sum(tf.nn.softmax(teacher_logits) * tf.nn.log_softmax(logits), axis=-1)


def _kl(logits: tf.Tensor, teacher_logits: tf.Tensor) -> tf.Tensor:
    return _cross_entropy(logits, teacher_logits) - _cross_entropy(teacher_logits, teacher_logits)


def _mean_squared_error(logits: tf.Tensor, teacher_logits: tf.Tensor) -> tf.Tensor:
    # Logits mean the same after adding a constant to all of them, so both sides are centred first.
    difference = logits - teacher_logits
    return tf.reduce_mean(tf.square(difference - tf.reduce_mean(difference, axis=-1, keepdims=True)), axis=-1)


DISTILL_LOSSES: dict[str, Callable[[tf.Tensor, tf.Tensor], tf.Tensor]] = {
    "cross_entropy": _cross_entropy,
    "kl": _kl,
    "mse": _mean_squared_error,
}


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


def _classification_gold(logits: tf.Tensor, gold: tf.Tensor, queries: tf.Tensor) -> tf.Tensor:
    return tf.nn.sparse_softmax_cross_entropy_with_logits(labels=tf.cast(gold, tf.int32), logits=logits)


def _squared_error(outputs: tf.Tensor, targets: tf.Tensor) -> tf.Tensor:
    return tf.square(outputs[:, 0] - targets)


def _classification_distilled(
    logits: tf.Tensor, teacher_logits: tf.Tensor, queries: tf.Tensor, options: DistillationOptions
) -> tf.Tensor:
    temperature = options.temperature
    loss = DISTILL_LOSSES[options.loss](logits / temperature, teacher_logits / temperature)
    return loss * temperature**2


def _ranking_distilled(
    scores: tf.Tensor, teacher: tf.Tensor, queries: tf.Tensor, options: DistillationOptions
) -> tf.Tensor:
    temperature = options.temperature
    loss = DISTILLED_LIST_LOSSES[options.loss](scores[:, 0] / temperature, teacher[:, 0] / temperature, queries)
    return loss * temperature**2


GOLD_LOSSES: dict[str, Callable[[tf.Tensor, tf.Tensor, tf.Tensor], tf.Tensor]] = {
    CLASSIFICATION: _classification_gold,
    REGRESSION: lambda outputs, gold, queries: _squared_error(outputs, gold),
    RANKING: lambda scores, gold, queries: gold_list_loss(scores[:, 0], gold, queries),
}
_DISTILLED_LOSSES: dict[str, Callable[[tf.Tensor, tf.Tensor, tf.Tensor, DistillationOptions], tf.Tensor]] = {
    CLASSIFICATION: _classification_distilled,
    REGRESSION: lambda outputs, teacher, queries, options: _squared_error(outputs, teacher[:, 0]),
    RANKING: _ranking_distilled,
}


def gold_loss(task: Task, logits: tf.Tensor, gold: tf.Tensor, queries: tf.Tensor) -> tf.Tensor:
    """Returns the loss against the gold labels (1901.11504 eq. 6 to 9).

    Args:
        task: The task, whose kind decides the loss.
        logits: Float32 [batch, num_outputs].
        gold: Float32 [batch]: label indices, scores, or of a ranking the gold distribution over each query's
            candidates; any number where there is no gold label.
        queries: Of a ranking, whose query each row belongs to, int32 [batch]; not read for other kinds.

    Returns:
        Float32 [batch]; the rows of a query sum to the loss of its list.
    """
    return GOLD_LOSSES[task.kind](logits, gold, queries)


def distilled_loss(
    task: Task, logits: tf.Tensor, teacher_logits: tf.Tensor, queries: tf.Tensor, options: DistillationOptions
) -> tf.Tensor:
    """Returns the loss against the soft targets (1904.09482 sec. 3).

    Args:
        task: The task, whose kind decides the loss.
        logits: Float32 [batch, num_outputs].
        teacher_logits: Float32 [batch, num_outputs]: log of the ensemble's averaged probabilities (of labels, or of a
            query's candidates), or averaged scores; any numbers where there is no teacher.
        queries: Of a ranking, whose query each row belongs to, int32 [batch]; not read for other kinds.
        options: Temperature and kind of loss.

    Returns:
        Float32 [batch]; the rows of a query sum to the loss of its list.
    """
    return _DISTILLED_LOSSES[task.kind](logits, teacher_logits, queries, options)


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
