"""Classification: one of the task's labels for each row."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from mtdnn_tf.errors import unknown_name
from mtdnn_tf.kinds.lists import ListKind, check_sums
from mtdnn_tf.kinds.values import SMALLEST_LOGIT, TARGET_VALUES, Confidences, Metric, Queries

if TYPE_CHECKING:
    import tensorflow as tf

    from mtdnn_tf.tasks.task import Task

BALANCED = "balanced"


def _metric(function: str, **options: Any) -> Metric:
    """Returns a metric of scikit-learn's."""

    def metric(gold: np.ndarray, predicted: np.ndarray) -> float:
        from sklearn import metrics

        return float(getattr(metrics, function)(gold, predicted, **options))

    return metric


class Classification(ListKind):
    """One label per row: softmax, cross-entropy."""

    name = "classification"
    metrics: ClassVar = {
        "accuracy": _metric("accuracy_score"),
        # The positive class of a two-label task is its second label, as in GLUE: "equivalent", "duplicate".
        "f1": _metric("f1_score", zero_division=0.0),
        "f1_macro": _metric("f1_score", average="macro", zero_division=0.0),
        "matthews_correlation": _metric("matthews_corrcoef"),
    }
    default_metrics: tuple[str, ...] = ("accuracy",)
    gold_measures: ClassVar = {"accuracy": metrics["accuracy"], "kappa": _metric("cohen_kappa_score")}
    accepted_labels = (2, np.inf, "two or more different names")
    has_one_label = True
    target_values: tuple[str, ...] = TARGET_VALUES
    list_name = "a row"
    examples_api = "classify"
    activation = "softmax"

    def check(self, task: Task) -> None:
        super().check(task)
        if isinstance(task.class_weights, str):
            if task.class_weights != BALANCED:
                raise unknown_name(f"class_weights of task {task.name}", task.class_weights, (BALANCED,))
        elif not all(0 < weight < np.inf for weight in task.class_weights):
            raise task.refused(f"class_weights must be {BALANCED!r} or numbers above 0, got {list(task.class_weights)}")
        if "f1" in task.metrics and len(task.labels) != 2:
            raise task.refused(f"metric f1 needs two labels, got {len(task.labels)}; use f1_macro")

    def num_outputs(self, task: Task) -> int:
        return len(task.labels)

    def gold(self, task: Task, labels: np.ndarray, queries: Queries = None) -> tuple[np.ndarray, np.ndarray]:
        """Returns label indices [rows], or [rows, 2] with the weight of each row's label; and which rows have one.

        The weight of a label that `count` of n labelled rows have is n / (labels * count) where they are "balanced", as
        in scikit-learn: its mean over the labelled rows is 1.
        """
        labelled = self.labelled(labels)
        if not task.class_weights:
            return labels, labelled
        counts = np.bincount(labels[labelled], minlength=len(task.labels))
        balanced = labelled.sum() / (len(task.labels) * np.maximum(counts, 1))
        weights = balanced if task.class_weights == BALANCED else np.array(task.class_weights)
        return np.stack([labels, weights[labels]], axis=1), labelled

    def gold_loss(self, task: Task, logits: tf.Tensor, gold: tf.Tensor, queries: tf.Tensor) -> tf.Tensor:
        """Returns the cross-entropy against the gold labels (1901.11504 eq. 6), float32 [batch]."""
        import tensorflow as tf

        labels = tf.cast(gold[:, 0], tf.int32)
        loss = tf.nn.sparse_softmax_cross_entropy_with_logits(labels=labels, logits=logits)
        return loss * gold[:, 1] if task.class_weights else loss

    def distance(self, loss: str, logits: tf.Tensor, teacher: tf.Tensor, queries: tf.Tensor) -> tf.Tensor:
        """Returns a distilled loss over the labels of each row, float32 [batch]."""
        import tensorflow as tf

        if loss == "mse":
            # Logits mean the same after adding a constant to all of them, so both sides are centred first.
            difference = logits - tf.maximum(teacher, SMALLEST_LOGIT)
            return tf.reduce_mean(tf.square(difference - tf.reduce_mean(difference, axis=-1, keepdims=True)), axis=-1)
        cross_entropy = _cross_entropy(logits, teacher)
        return cross_entropy - _cross_entropy(teacher, teacher) if loss == "kl" else cross_entropy

    def predictions(self, task: Task, outputs: np.ndarray, queries: Queries) -> np.ndarray:
        """Returns the labels' probabilities: sums over the labels of another task's head that fall together."""
        if not task.head_labels:
            return outputs
        merged = np.zeros((len(outputs), len(task.labels)), outputs.dtype)
        for column, (_, own) in enumerate(task.head_labels):
            merged[:, task.labels.index(own)] += outputs[:, column]
        return merged

    def answers(self, predictions: np.ndarray, queries: Queries = None) -> np.ndarray:
        return np.asarray(predictions.argmax(axis=1))

    def answer_fields(self, task: Task, values: np.ndarray, shown: Sequence[float]) -> dict[str, Any]:
        return {"label": task.labels[values.argmax()], "probabilities": dict(zip(task.labels, shown))}

    def confidences(self, predictions: np.ndarray, labels: np.ndarray, queries: Queries = None) -> Confidences | None:
        """Returns the probability of each most probable label, and whether it is right."""
        from sklearn.metrics import log_loss

        probabilities = np.asarray(predictions, np.float64)
        check_sums(probabilities, probabilities.sum(axis=1))
        num_labels = probabilities.shape[1]
        # scikit-learn warns of sums that float32 rounds.
        normalized = probabilities / probabilities.sum(axis=1, keepdims=True)
        return Confidences(
            probabilities.max(axis=1),
            probabilities.argmax(axis=1) == labels,
            nll=float(log_loss(labels, normalized, labels=np.arange(num_labels))),
            brier=float(((probabilities - np.eye(num_labels)[labels]) ** 2).sum(axis=1).mean()),
        )

    def lists(self, shape: tuple[int, ...], queries: Queries) -> np.ndarray:
        """Returns the row of each probability: those of a row sum to 1."""
        return np.repeat(np.arange(shape[0]), shape[1])

    def gold_distribution(self, labels: np.ndarray, queries: Queries, outputs: int) -> np.ndarray:
        return np.eye(outputs)[labels]

    def answer_tensors(self, task: Task, logits: tf.Tensor) -> dict[str, tf.Tensor]:
        """Returns `label` string [batch], `probabilities` float32 and `label_names` string, both [batch, labels]."""
        import tensorflow as tf

        names = tf.constant(task.labels)
        return {
            "label": tf.gather(names, tf.argmax(logits, axis=1)),
            "probabilities": self.row_outputs(logits),
            # A server's batching splits every output by rows, so the names are repeated in each row.
            "label_names": tf.tile(names[tf.newaxis], [tf.shape(logits)[0], 1]),
        }


def _cross_entropy(logits: tf.Tensor, teacher: tf.Tensor) -> tf.Tensor:
    import tensorflow as tf

    return -tf.reduce_sum(tf.nn.softmax(teacher) * tf.nn.log_softmax(logits), axis=-1)
