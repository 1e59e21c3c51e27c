"""Multi-label classification: any number of the task's labels for each row, each decided on its own."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from mtdnn_tf.errors import UserError, shortened
from mtdnn_tf.kinds.base import Kind
from mtdnn_tf.kinds.classification import Classification
from mtdnn_tf.kinds.values import (
    LABELS,
    LIST_SEPARATOR,
    LOGITS,
    PROBABILITIES,
    SMALLEST_LOGIT,
    SMALLEST_PROBABILITY,
    VOTES,
    Confidences,
    LabelledPredictions,
    Queries,
    check_range,
)

if TYPE_CHECKING:
    import tensorflow as tf

    from mtdnn_tf.tasks.task import Task

THRESHOLD = 0.5


def _f1(gold: np.ndarray, predicted: np.ndarray, axis: int | None) -> float:
    """Returns F1 = 2 TP / (2 TP + FP + FN), 0 where nothing is gold or predicted, as a mean over labels."""
    hits, wrong = np.sum((gold == 1) & predicted, axis=axis), np.sum((gold == 1) != predicted, axis=axis)
    return float(np.mean(2 * hits / np.maximum(2 * hits + wrong, 1)))


class MultiLabel(Classification):
    """Any number of labels per row: sigmoid, binary cross-entropy.

    To averages, calibration and fidelity each label of each row is a classification with two labels.
    """

    name = "multi_label"
    metrics: ClassVar = {
        "f1_micro": functools.partial(_f1, axis=None),
        "f1_macro": functools.partial(_f1, axis=0),
        "subset_accuracy": lambda gold, predicted: float(np.mean(np.all((gold == 1) == predicted, axis=1))),
    }
    default_metrics = tuple(metrics)
    gold_measures: ClassVar = {}
    accepted_labels = (1, np.inf, "one or more different names")
    has_one_label = False
    activation = "sigmoid"
    takes_lists = True
    target_values = (PROBABILITIES, LOGITS, VOTES, LABELS)
    disagreement_measure = "share of examples with different sets of labels"

    def check(self, task: Task) -> None:
        """Refuses labels that a list cannot hold."""
        for label in task.labels:
            if LIST_SEPARATOR in label or label.startswith("[") or label != label.strip():
                refused = f"{LIST_SEPARATOR!r}, no '[' at its start and no space around it"
                raise task.refused(f"a label must have no {refused}, got {label!r}")
        if task.tfds is not None:
            raise task.refused(f"kind {self.name} must be read from files, got TensorFlow Datasets")
        Kind.check(self, task)

    def read_label(self, task: Task, cell: str, column: str, where: str) -> tuple[int, ...]:
        """Returns the indices of the labels that a cell lists, "a;b" or a JSON array of names; () for an empty cell."""
        names: Any = [name.strip() for name in cell.split(LIST_SEPARATOR)] if cell else []
        if cell.startswith("["):
            try:
                names = json.loads(cell)
            except (ValueError, RecursionError):
                names = None
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            accepted = f"names with {LIST_SEPARATOR!r} between them or a JSON array of names"
            raise UserError(f"{where}: column {column!r} must be {accepted}, got {shortened(cell)!r}")
        indices: list[int] = []
        for name in names:
            index = super().read_label(task, name, column, where)
            if index in indices:
                raise UserError(f"{where}: column {column!r} must name each label once, got {name!r} twice")
            indices.append(index)
        return tuple(indices)

    def label_array(self, task: Task, labels: Sequence[Any]) -> np.ndarray:
        """Returns one number per label: 1 for the row's labels, 0 for the others, -1 for all of an unlabelled row."""
        array = np.full((len(labels), len(task.labels)), -1, np.int32)
        for row, indices in enumerate(labels):
            if indices is not None:
                array[row] = 0
                array[row, list(indices)] = 1
        return array

    def are_labels(self, task: Task, labels: np.ndarray) -> bool:
        is_missing = labels == -1
        return bool(np.isin(labels, (-1, 0, 1)).all() and (is_missing.all(axis=1) == is_missing.any(axis=1)).all())

    def label_text(self, task: Task, label: Any) -> str:
        return repr(self._names(task, label == 1))

    def absent_labels(self, task: Task, labels: np.ndarray) -> list[str]:
        return self._names(task, ~(labels == 1).any(axis=0))

    def gold_loss(self, task: Task, logits: tf.Tensor, gold: tf.Tensor, queries: tf.Tensor) -> tf.Tensor:
        """Returns the binary cross-entropy against the gold labels, as a mean over the labels, float32 [batch]."""
        import tensorflow as tf

        entries = tf.nn.sigmoid_cross_entropy_with_logits(labels=gold[:, : len(task.labels)], logits=logits)
        return tf.reduce_mean(entries, axis=-1)

    def distance(self, loss: str, logits: tf.Tensor, teacher: tf.Tensor, queries: tf.Tensor) -> tf.Tensor:
        """Returns a distilled loss as a mean over the labels, float32 [batch]."""
        import tensorflow as tf

        if loss == "mse":
            teacher = tf.clip_by_value(teacher, SMALLEST_LOGIT, -SMALLEST_LOGIT)
            return tf.reduce_mean(tf.square(logits - teacher), axis=-1)
        soft = tf.sigmoid(teacher)
        entries = tf.nn.sigmoid_cross_entropy_with_logits(labels=soft, logits=logits)
        if loss == "kl":
            entries -= tf.nn.sigmoid_cross_entropy_with_logits(labels=soft, logits=teacher)
        return tf.reduce_mean(entries, axis=-1)

    def answers(self, predictions: np.ndarray, queries: Queries = None) -> np.ndarray:
        """Returns which labels have a probability of 0.5 or more, bool [rows, labels]."""
        return np.asarray(predictions >= THRESHOLD)

    def answer_fields(self, task: Task, values: np.ndarray, shown: Sequence[float]) -> dict[str, Any]:
        return {"labels": self._names(task, values >= THRESHOLD), "probabilities": dict(zip(task.labels, shown))}

    def differences(self, first: np.ndarray, second: np.ndarray, queries: Queries) -> np.ndarray:
        return np.asarray(super().differences(first, second, queries).any(axis=1))

    def confidences(self, predictions: np.ndarray, labels: np.ndarray, queries: Queries = None) -> Confidences | None:
        """Returns the probability of each label's more probable answer, yes or no, and whether it is right."""
        return super().confidences(_yes_and_no(predictions), labels.ravel())

    def divergence(self, student: np.ndarray, teacher: np.ndarray, queries: Queries) -> float | None:
        """Returns the mean KL(teacher || student) of labels, in nats."""
        return super().divergence(_yes_and_no(student), _yes_and_no(teacher), None)

    def entropy(self, predictions: np.ndarray, queries: Queries = None) -> np.ndarray | None:
        """Returns the sum of the entropies of a row's labels, in nats, float64 [rows]."""
        of_labels = super().entropy(_yes_and_no(predictions))
        return None if of_labels is None else of_labels.reshape(predictions.shape).sum(axis=1)

    def to_logits(self, predictions: np.ndarray) -> np.ndarray:
        """Returns log(p / (1 - p)) of each probability."""
        predictions = np.asarray(predictions)
        inside = np.clip(predictions, SMALLEST_PROBABILITY, 1.0 - float(np.finfo(predictions.dtype).epsneg))
        return np.asarray(np.log(inside) - np.log1p(-inside))

    def from_logits(self, logits: np.ndarray, queries: Queries) -> np.ndarray:
        from scipy.special import expit

        return np.asarray(expit(np.asarray(logits, np.float64)))

    def check_targets(self, read: np.ndarray, queries: Queries, where: Callable[[int], str]) -> np.ndarray:
        check_range(read, where)
        return read

    def alternatives(self, task: Task) -> int:
        """Returns 2: a label applies to a row or does not."""
        return 2

    def labelled_predictions(
        self, predictions: Sequence[np.ndarray], labels: np.ndarray, queries: Queries = None
    ) -> LabelledPredictions:
        return super().labelled_predictions([_yes_and_no(values) for values in predictions], labels.ravel())

    def answer_tensors(self, task: Task, logits: tf.Tensor) -> dict[str, tf.Tensor]:
        """Returns what `Classification` does, `label` being the row's labels with ";" between them, or ""."""
        import tensorflow as tf

        answer = super().answer_tensors(task, logits)
        marked = tf.constant([f"{label}{LIST_SEPARATOR}" for label in task.labels])
        chosen = tf.where(answer["probabilities"] >= THRESHOLD, marked, "")
        joined = tf.strings.join(tf.unstack(chosen, num=len(task.labels), axis=1))
        return {**answer, "label": tf.strings.regex_replace(joined, f"{LIST_SEPARATOR}$", "")}

    def _names(self, task: Task, chosen: np.ndarray) -> list[str]:
        return [label for label, is_chosen in zip(task.labels, chosen) if is_chosen]


def _yes_and_no(probabilities: np.ndarray) -> np.ndarray:
    """Returns the probabilities that a label does not and does apply, float64 [rows * labels, 2]."""
    applies = np.asarray(probabilities, np.float64).ravel()
    return np.stack([1.0 - applies, applies], axis=1)
