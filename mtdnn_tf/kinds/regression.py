"""Regression: a score for each row."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from mtdnn_tf.kinds.base import Kind
from mtdnn_tf.kinds.values import PROBABILITIES, VOTES, LabelledPredictions, Metric, Queries, read_number

if TYPE_CHECKING:
    import tensorflow as tf

    from mtdnn_tf.tasks.task import Task

# With squared errors, a head that begins near 0 learns at a rate of about 1e-4 per step.
_LARGEST_SCORE = 100.0
_SMALLEST_SPREAD = 1e-3


def _correlation(function: str) -> Metric:
    def correlation(gold: np.ndarray, predicted: np.ndarray) -> float:
        from scipy import stats

        return float(getattr(stats, function)(gold.astype(np.float64), predicted).statistic)

    return correlation


class Regression(Kind):
    """One score per row: squared error."""

    name = "regression"
    metrics: ClassVar = {"pearson": _correlation("pearsonr"), "spearman": _correlation("spearmanr")}
    default_metrics = tuple(metrics)
    accepted_labels = (0, 0, "left out for a regression")
    predicts_scores = True
    target_values = (PROBABILITIES, VOTES)
    answer_column = "score"
    disagreement_measure = "mean absolute difference of scores"

    def read_label(self, task: Task, cell: str, column: str, where: str) -> float:
        return read_number(cell, column, where)

    def label_text(self, task: Task, label: Any) -> str:
        return f"{label:g}"

    def training_faults(self, task: Task, labels: np.ndarray, queries: Queries) -> list[str]:
        """Returns a line about scores whose magnitude a head does not reach at the learning rates of an encoder."""
        largest, spread = float(np.abs(labels).max()), float(labels.std())
        if largest <= _LARGEST_SCORE and (spread >= _SMALLEST_SPREAD or spread == 0):
            return []
        return [
            f"its scores have a magnitude of {largest:g} and a standard deviation of {spread:g}, which hardly train; "
            "scale them to a deviation near 1, as from 0 to 5"
        ]

    def gold_loss(self, task: Task, logits: tf.Tensor, gold: tf.Tensor, queries: tf.Tensor) -> tf.Tensor:
        """Returns the squared errors against the gold scores (1901.11504 eq. 7), float32 [batch]."""
        import tensorflow as tf

        return tf.square(logits[:, 0] - gold[:, 0])

    def distance(self, loss: str, logits: tf.Tensor, teacher: tf.Tensor, queries: tf.Tensor) -> tf.Tensor:
        """Returns the squared errors against the teachers' mean scores, whatever the loss, float32 [batch]."""
        import tensorflow as tf

        return tf.square(logits[:, 0] - teacher[:, 0])

    def answers(self, predictions: np.ndarray, queries: Queries = None) -> np.ndarray:
        return predictions[:, 0].astype(np.float64)

    def answer_fields(self, task: Task, values: np.ndarray, shown: Sequence[float]) -> dict[str, Any]:
        return {"score": shown[0]}

    def agreement(self, student: np.ndarray, teacher: np.ndarray, queries: Queries) -> float | None:
        """Returns Pearson's correlation of the scores; None where either side's are all alike."""
        from scipy import stats

        if np.ptp(student) == 0 or np.ptp(teacher) == 0:
            return None
        return float(stats.pearsonr(self.answers(student), self.answers(teacher)).statistic)

    def differences(self, first: np.ndarray, second: np.ndarray, queries: Queries) -> np.ndarray:
        return np.abs(self.answers(first) - self.answers(second))

    def target_columns(self, task: Task, values: str) -> tuple[str, ...]:
        return (self.answer_column,)

    def read_answer(self, task: Task, cell: str, where: str) -> np.ndarray:
        return np.array([self.read_label(task, cell, self.answer_column, where)])

    def from_votes(self, task: Task, votes: np.ndarray, answers: np.ndarray, smoothing: float) -> np.ndarray:
        """Returns the mean of the scores that were answered."""
        return votes / answers[:, np.newaxis]

    def with_floor(self, predictions: np.ndarray, queries: Queries) -> np.ndarray:
        return predictions

    def labelled_predictions(
        self, predictions: Sequence[np.ndarray], labels: np.ndarray, queries: Queries = None
    ) -> LabelledPredictions:
        rows = self.labelled(labels)
        values = np.stack([np.asarray(prediction, np.float64)[rows, 0] for prediction in predictions])
        return LabelledPredictions(values, labels[rows].astype(np.float64), None, int(rows.sum()))
