"""Regression: a score for each row."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from mtdnn_tf.errors import UserError, shortened
from mtdnn_tf.kinds.base import Kind, is_constant
from mtdnn_tf.kinds.values import KindTask, LabelledPredictions

if TYPE_CHECKING:
    import tensorflow as tf

# No two parts take the same digits: a cell of many digits that is no number would take time by their square.
_NUMBER = re.compile(r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?")
_LARGEST_FLOAT32 = 3.4e38


def _pearson(gold: np.ndarray, predicted: np.ndarray) -> float:
    from scipy import stats

    if is_constant(gold) or is_constant(predicted):
        return 0.0
    return float(stats.pearsonr(gold.astype(np.float64), predicted).statistic)


def _spearman(gold: np.ndarray, predicted: np.ndarray) -> float:
    from scipy import stats

    if is_constant(gold) or is_constant(predicted):
        return 0.0
    return float(stats.spearmanr(gold.astype(np.float64), predicted).statistic)


class Regression(Kind):
    """One score per row: squared error."""

    name = "regression"
    metrics: ClassVar = {"pearson": _pearson, "spearman": _spearman}
    default_metrics = ("pearson", "spearman")
    label_dtype = np.float32
    predicts_scores = True
    fit_loss = "mean_squared_error"
    disagreement_measure = "mean absolute difference of scores"

    def check(self, task: KindTask) -> None:
        if task.labels:
            raise UserError(f"task {task.name}: a regression task takes no labels, {list(task.labels)} given")
        super().check(task)

    def read_label(self, task: KindTask, cell: str, column: str, where: str) -> float:
        score = float(cell) if _NUMBER.fullmatch(cell) else math.nan
        if not abs(score) <= _LARGEST_FLOAT32:
            raise UserError(f"{where}: column {column!r} takes a number, {shortened(cell)!r} given")
        return score

    def label_array(self, task: KindTask, labels: Sequence[Any]) -> np.ndarray:
        return np.array([math.nan if label is None else label for label in labels], self.label_dtype)

    def are_labels(self, task: KindTask, labels: np.ndarray) -> bool:
        return True

    def labelled(self, labels: np.ndarray, queries: np.ndarray | None = None) -> np.ndarray:
        return np.isfinite(labels)

    def constant_label(self, task: KindTask, labels: np.ndarray) -> str | None:
        return f"{labels[0]:g}" if len(np.unique(labels)) == 1 else None

    # === Losses ===

    def gold_loss(self, task: KindTask, logits: tf.Tensor, gold: tf.Tensor, queries: tf.Tensor) -> tf.Tensor:
        """Returns the squared errors against the gold scores (1901.11504 eq. 7), float32 [batch]."""
        import tensorflow as tf

        return tf.square(logits[:, 0] - gold[:, 0])

    def distilled_loss(
        self,
        logits: tf.Tensor,
        teacher: tf.Tensor,
        queries: tf.Tensor,
        loss: str = "cross_entropy",
        temperature: float = 1.0,
    ) -> tf.Tensor:
        """Returns the squared errors against the teachers' mean scores, whatever the loss and temperature."""
        return self.distance(loss, logits, teacher, queries)

    def distance(self, loss: str, logits: tf.Tensor, teacher: tf.Tensor, queries: tf.Tensor) -> tf.Tensor:
        import tensorflow as tf

        return tf.square(logits[:, 0] - teacher[:, 0])

    # === Predictions ===

    def answers(self, predictions: np.ndarray, queries: np.ndarray | None = None) -> np.ndarray:
        return predictions[:, 0].astype(np.float64)

    def answer_fields(self, task: KindTask, values: np.ndarray, shown: Sequence[float]) -> dict[str, Any]:
        return {"score": shown[0]}

    def agreement(self, student: np.ndarray, teacher: np.ndarray, queries: np.ndarray | None) -> float | None:
        """Returns Pearson's correlation of the scores; None where either side's are all alike."""
        from scipy import stats

        if np.ptp(student) == 0 or np.ptp(teacher) == 0:
            return None
        return float(stats.pearsonr(self.answers(student), self.answers(teacher)).statistic)

    def disagreement(self, first: np.ndarray, second: np.ndarray) -> float:
        return float(np.mean(np.abs(first - second)))

    def mean_absolute_difference(self, student: np.ndarray, teacher: np.ndarray) -> float | None:
        return float(np.abs(np.asarray(student, np.float64) - np.asarray(teacher, np.float64)).mean())

    # === Soft targets ===

    def target_columns(self, task: KindTask, logits: bool) -> tuple[str, ...]:
        if logits:
            raise UserError(f"--values=logits goes with probabilities, task {task.name} is of kind {self.name}")
        return ("score",)

    def labelled_predictions(
        self, predictions: Sequence[np.ndarray], labels: np.ndarray, queries: np.ndarray | None = None
    ) -> LabelledPredictions:
        rows = self.labelled(labels)
        values = np.stack([np.asarray(prediction, np.float64)[rows, 0] for prediction in predictions])
        return LabelledPredictions(values, labels[rows].astype(np.float64), None, int(rows.sum()))
