"""Lists of outputs whose probabilities sum to 1: the labels of a row, or the candidates of a query."""

from __future__ import annotations

import abc
from collections.abc import Callable, Sequence

import numpy as np

from mtdnn_tf.errors import UserError
from mtdnn_tf.kinds.base import Kind
from mtdnn_tf.kinds.values import SMALLEST_PROBABILITY, SUM_TOLERANCE, LabelledPredictions, Queries, check_range

# Index of a relevant candidate's label.
RELEVANT = 1
_ROUNDING = 1e-6


def list_probabilities(scores: np.ndarray, lists: np.ndarray) -> np.ndarray:
    """Returns the softmax over the scores of each list (1901.11504 eq. 9), float64 [entries].

    `scores` are float [entries], `lists` the number of each entry's list, from 0, int [entries].
    """
    scores = np.asarray(scores, np.float64)
    highest = np.full(int(lists.max(initial=-1)) + 1, -np.inf)
    np.maximum.at(highest, lists, scores)
    exponentials = np.exp(scores - highest[lists])
    return np.asarray(exponentials / list_sums(exponentials, lists)[lists])


def list_sums(values: np.ndarray, lists: np.ndarray) -> np.ndarray:
    """Returns the sum over the entries of each list, float64 [lists]."""
    return np.bincount(lists, weights=values)


def relevance_distribution(labels: np.ndarray, queries: Queries) -> tuple[np.ndarray, np.ndarray]:
    """Returns the gold distribution over the candidates of each query: even over the relevant ones.

    A query without a relevant candidate has none, as in TREC's and WikiQA's evaluations, which leave it out; neither
    has one with an unlabelled candidate. `labels` are 1 for relevant candidates, 0 for others, -1 for no gold label.

    Returns:
        The distribution, float32 [rows], 0 where there is none; and whether there is one, bool [rows].
    """
    assert queries is not None
    relevant = list_sums(labels == RELEVANT, queries)
    unlabelled = list_sums(labels < 0, queries)
    has_gold = ((relevant > 0) & (unlabelled == 0))[queries]
    distribution = np.where(has_gold & (labels == RELEVANT), 1.0 / np.maximum(relevant, 1)[queries], 0.0)
    return distribution.astype(np.float32), has_gold


def check_sums(probabilities: np.ndarray, sums: np.ndarray) -> None:
    """Refuses to calibrate what are no probabilities with the `sums` [lists] of their lists, such as logits."""
    if not (probabilities >= 0).all() or not (np.abs(sums - 1) <= SUM_TOLERANCE).all():
        raise ValueError("calibration needs probabilities >= 0 with a sum of 1, got others, such as logits")


class ListKind(Kind):
    """A kind whose predictions are probabilities that sum to 1 over lists."""

    list_name: str  # What a list belongs to.

    @abc.abstractmethod
    def lists(self, shape: tuple[int, ...], queries: Queries) -> np.ndarray:
        """Returns the list of each entry of predictions of this shape, int [rows * num_outputs]."""

    @abc.abstractmethod
    def gold_distribution(self, labels: np.ndarray, queries: Queries, outputs: int) -> np.ndarray:
        """Returns the gold distribution over each list, [rows, outputs]; any numbers where there is no gold label."""

    def divergence(self, student: np.ndarray, teacher: np.ndarray, queries: Queries) -> float | None:
        """Returns the mean KL(teacher || student) over lists, in nats; None for scores.

        A student's probability below 1e-30 counts as 1e-30, so that the divergence is finite.
        """
        from scipy.special import rel_entr

        lists = np.unique(self.lists(student.shape, queries), return_inverse=True)[1]
        sides = [np.asarray(side, np.float64).ravel() for side in (teacher, student)]
        # Sums that float32 rounds would make a divergence a little below 0.
        of_teacher, of_student = (side / list_sums(side, lists)[lists] for side in sides)
        terms = rel_entr(of_teacher, np.maximum(of_student, SMALLEST_PROBABILITY))
        return float(list_sums(terms, lists).mean())

    def entropy(self, predictions: np.ndarray, queries: Queries = None) -> np.ndarray | None:
        from scipy.special import entr

        lists = self.lists(predictions.shape, queries)
        terms = entr(np.asarray(predictions, np.float64)).ravel()
        return np.asarray(list_sums(terms, lists)[lists.reshape(predictions.shape)[:, 0]])

    def to_logits(self, predictions: np.ndarray) -> np.ndarray:
        return np.asarray(np.log(np.maximum(predictions, SMALLEST_PROBABILITY)))

    def from_logits(self, logits: np.ndarray, queries: Queries) -> np.ndarray:
        return list_probabilities(logits.ravel(), self.lists(logits.shape, queries)).reshape(logits.shape)

    def check_targets(self, read: np.ndarray, queries: Queries, where: Callable[[int], str]) -> np.ndarray:
        check_range(read, where)
        lists = self.lists(read.shape, queries)
        sums = list_sums(read.ravel(), lists)[lists].reshape(read.shape)
        wrong = np.flatnonzero(np.abs(sums[:, 0] - 1.0) > SUM_TOLERANCE)
        if len(wrong):
            found = f"got a sum of {sums[wrong[0], 0]:g}"
            raise UserError(f"{where(wrong[0])}: the probabilities of {self.list_name} must sum to 1, {found}")
        # Within float32's own rounding they stay as they are: what was written is read back bit by bit.
        return np.where(np.abs(sums - 1.0) > _ROUNDING, read / sums, read)

    def labelled_predictions(
        self, predictions: Sequence[np.ndarray], labels: np.ndarray, queries: Queries = None
    ) -> LabelledPredictions:
        rows = self.labelled(labels, queries)
        values = np.stack([np.asarray(prediction, np.float64)[rows] for prediction in predictions])
        gold = self.gold_distribution(labels, queries, values.shape[-1])[rows].astype(np.float64)
        entries = self.lists(values.shape[1:], None if queries is None else queries[rows])
        numbers, lists = np.unique(entries, return_inverse=True)
        return LabelledPredictions(values.reshape(len(values), -1), gold.ravel(), lists, len(numbers))
