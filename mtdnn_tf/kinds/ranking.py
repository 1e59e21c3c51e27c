"""Ranking: a score for each candidate of a query, and probabilities over its candidates."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from mtdnn_tf.kinds.lists import RELEVANT, ListKind, check_sums, list_sums, relevance_distribution
from mtdnn_tf.kinds.values import LOGITS, SMALLEST_LOGIT, Confidences, Queries

if TYPE_CHECKING:
    import tensorflow as tf

    from mtdnn_tf.tasks.task import Task

# float32 holds it, and no probability is left of it.
_MASKED = -1e9
# As scikit-learn's log_loss has it for float64: a true answer of probability 0 costs 36.04 nats.
_SMALLEST_LIKELIHOOD = np.finfo(np.float64).eps


def _first_rank(relevant: np.ndarray, scores: np.ndarray) -> int:
    """Returns the rank from 1 of the best relevant candidate, after the irrelevant ones that are tied with it.

    A model that scores all candidates alike has ranked none, wherever the file happens to list the relevant one.
    """
    return 1 + int(np.sum(scores[~relevant] >= scores[relevant].max()))


def _average_precision(relevant: np.ndarray, scores: np.ndarray) -> float:
    from sklearn.metrics import label_ranking_average_precision_score

    return float(label_ranking_average_precision_score([relevant], [scores]))


class Ranking(ListKind):
    """Candidates of queries: softmax over each query's candidates, cross-entropy."""

    name = "ranking"
    metrics: ClassVar = {
        "mrr": lambda relevant, scores: 1.0 / _first_rank(relevant, scores),
        "map": _average_precision,
        "accuracy_at_1": lambda relevant, scores: float(_first_rank(relevant, scores) == 1),
    }
    default_metrics = tuple(metrics)
    accepted_labels = (2, 2, "two names, the second for relevant candidates")
    default_labels = ("0", "1")
    has_queries = True
    hub_task = "text-ranking"
    list_name = "a query's candidates"
    disagreement_measure = "share of queries with different top candidates"

    def check(self, task: Task) -> None:
        if len(task.text) != 2:
            raise task.refused("text of a ranking must be two columns, query and candidate, got 1")
        if task.group is not None and task.tfds is not None:
            raise task.refused("group goes with files; in TensorFlow Datasets the first text is the query")
        super().check(task)

    def labelled(self, labels: np.ndarray, queries: Queries = None) -> np.ndarray:
        return relevance_distribution(labels, queries)[1]

    def gold(self, task: Task, labels: np.ndarray, queries: Queries = None) -> tuple[np.ndarray, np.ndarray]:
        return relevance_distribution(labels, queries)

    def training_faults(self, task: Task, labels: np.ndarray, queries: Queries) -> list[str]:
        """Returns a line about lists of one candidate, whose loss is 0."""
        assert queries is not None
        num_queries = len(np.unique(queries))
        return [f"each of its {num_queries} queries has one candidate only"] if num_queries == len(labels) else []

    def gold_loss(self, task: Task, logits: tf.Tensor, gold: tf.Tensor, queries: tf.Tensor) -> tf.Tensor:
        """Returns each row's part of the cross-entropy against the gold distribution (1901.11504 eq. 8)."""
        return -gold[:, 0] * list_log_softmax(logits[:, 0], queries)

    def distance(self, loss: str, logits: tf.Tensor, teacher: tf.Tensor, queries: tf.Tensor) -> tf.Tensor:
        """Returns each row's part of a distilled loss over the candidates of its query, float32 [batch]."""
        import tensorflow as tf

        logits, teacher = logits[:, 0], teacher[:, 0]
        if loss == "mse":
            same = tf.cast(_same_query(queries), tf.float32)
            candidates = tf.reduce_sum(same, axis=1)
            difference = logits - tf.maximum(teacher, SMALLEST_LOGIT)
            # Scores mean the same after adding a constant to all of a list, so both sides are centred first.
            mean = tf.linalg.matvec(same, difference) / candidates
            return tf.square(difference - mean) / candidates
        cross_entropy = _cross_entropy(logits, teacher, queries)
        return cross_entropy - _cross_entropy(teacher, teacher, queries) if loss == "kl" else cross_entropy

    def predictions(self, task: Task, outputs: np.ndarray, queries: Queries) -> np.ndarray:
        """Returns each candidate's probability among those of its query."""
        return self.from_logits(outputs, queries).astype(outputs.dtype)

    def answers(self, predictions: np.ndarray, queries: Queries = None) -> np.ndarray:
        """Returns the row of each query's most probable candidate, the first of those that are alike."""
        assert queries is not None
        order = np.lexsort((-predictions[:, 0], queries))
        return np.asarray(order[np.unique(queries[order], return_index=True)[1]])

    def answer_fields(self, task: Task, values: np.ndarray, shown: Sequence[float]) -> dict[str, Any]:
        return {"probability": shown[0]}

    def measure(self, task: Task, predictions: np.ndarray, labels: np.ndarray, queries: Queries) -> dict[str, float]:
        """Returns means over queries, each with one relevant candidate or more."""
        assert queries is not None
        by_query = np.argsort(queries, kind="stable")
        lists = np.split(by_query, np.flatnonzero(np.diff(queries[by_query])) + 1)
        relevant, scores = labels == RELEVANT, predictions[:, 0]
        return {
            name: float(np.mean([self.metrics[name](relevant[rows], scores[rows]) for rows in lists]))
            for name in task.metrics
        }

    def confidences(self, predictions: np.ndarray, labels: np.ndarray, queries: Queries = None) -> Confidences | None:
        """Returns the probability of each query's best candidate; of those tied with it, the share that is right."""
        assert queries is not None
        probabilities, relevant = np.asarray(predictions[:, 0], np.float64), labels == RELEVANT
        _, places = np.unique(queries, return_inverse=True)
        sums = list_sums(probabilities, places)
        check_sums(probabilities, sums)
        of_relevant = list_sums(np.where(relevant, probabilities, 0.0), places) / sums
        highest = np.zeros(len(sums))
        np.maximum.at(highest, places, probabilities)
        first = probabilities == highest[places]
        return Confidences(
            highest,
            list_sums(first & relevant, places) / list_sums(first, places),
            nll=float(-np.log(np.maximum(of_relevant, _SMALLEST_LIKELIHOOD)).mean()),
            brier=None,
        )

    def lists(self, shape: tuple[int, ...], queries: Queries) -> np.ndarray:
        """Returns the query of each probability: those of its candidates sum to 1."""
        assert queries is not None
        return queries

    def gold_distribution(self, labels: np.ndarray, queries: Queries, outputs: int) -> np.ndarray:
        return relevance_distribution(labels, queries)[0][:, np.newaxis]

    def target_columns(self, task: Task, values: str) -> tuple[str, ...]:
        return ("score" if values == LOGITS else "probability",)


def list_log_softmax(scores: tf.Tensor, queries: tf.Tensor) -> tf.Tensor:
    """Returns the log of the softmax over the candidates of each row's query (1901.11504 eq. 9, gamma = 1), [batch]."""
    import tensorflow as tf

    return scores - tf.reduce_logsumexp(tf.where(_same_query(queries), scores[tf.newaxis, :], _MASKED), axis=1)


def _cross_entropy(scores: tf.Tensor, teacher: tf.Tensor, queries: tf.Tensor) -> tf.Tensor:
    import tensorflow as tf

    return -tf.exp(list_log_softmax(teacher, queries)) * list_log_softmax(scores, queries)


def _same_query(queries: tf.Tensor) -> tf.Tensor:
    """Returns which rows are candidates of the same query, bool [batch, batch]."""
    return queries[:, None] == queries[None, :]
