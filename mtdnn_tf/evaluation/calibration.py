"""Whether a model's probabilities are right: proper scores, and confidence against accuracy."""

from __future__ import annotations

import dataclasses
from typing import Any, NamedTuple

import numpy as np
from sklearn.metrics import log_loss

from mtdnn_tf.distillation.candidate_lists import list_sums, relevance_distribution
from mtdnn_tf.json_values import to_json
from mtdnn_tf.tasks.task import CLASSIFICATION, RANKING, Task

NUM_BINS = 10
# As scikit-learn's log_loss has it for float64: an answer of probability 0 that proves true costs 36.04 nats.
_SMALLEST = np.finfo(np.float64).eps
_RELEVANT = 1
# What rounding of float32 probabilities, and of text files with six decimals, may leave of 1.
_SUM_TOLERANCE = 1e-3


@dataclasses.dataclass(frozen=True)
class ReliabilityBin:
    """Answers of like confidence.

    Attributes:
        confidence: Their mean confidence; None if the bin is empty.
        accuracy: Share of them that are right; None if the bin is empty.
        count: Number of them.
    """

    confidence: float | None
    accuracy: float | None
    count: int


class Calibration(NamedTuple):
    """How well probabilities fit the gold labels.

    Attributes:
        nll: Mean negative log-likelihood of the gold label, or of a query's relevant candidates together, in nats.
        brier: Mean over examples of the sum over labels of (probability - gold)^2 (Brier 1950), from 0 to 2, of two
            labels twice what scikit-learn's `brier_score_loss` returns; None of a ranking.
        ece: Expected calibration error (Guo et al. 2017, arXiv 1706.04599 sec. 2): the mean of |accuracy - confidence|
            of the bins, weighted by their counts, from 0 to 1.
        bins: Of equal width, (0, 0.1] to (0.9, 1], by the probability of the answer that is given.
        n: Number of examples, or queries, with gold.
    """

    nll: float
    brier: float | None
    ece: float
    bins: tuple[ReliabilityBin, ...]
    n: int

    def to_json(self) -> dict[str, Any]:
        """Returns the fields as JSON values, None for nan."""
        return dict(to_json(self))


def task_calibration(
    task: Task, predictions: np.ndarray, gold: np.ndarray, queries: np.ndarray | None = None
) -> Calibration | None:
    """Returns how well a task's predictions fit its gold; None of a regression, or if no row has gold.

    Args:
        task: The task.
        predictions: Float [rows, num_outputs].
        gold: As `EncodedSplit.labels` has it, [rows].
        queries: Of a ranking, the number of each row's query, int [rows].
    """
    if task.kind == CLASSIFICATION:
        return calibration(predictions, gold)
    if task.kind == RANKING:
        if queries is None:
            raise ValueError(f"task {task.name}: the calibration of a ranking takes the query of each row")
        return ranking_calibration(predictions[:, 0], gold, queries)
    return None


def calibration(probabilities: np.ndarray, gold: np.ndarray) -> Calibration | None:
    """Returns how well the probabilities of a classification fit its gold labels; None if there are none.

    Args:
        probabilities: Float [examples, labels].
        gold: Label indices, -1 for none, int [examples]; examples without are left out.

    Raises:
        ValueError: The probabilities are of another shape, negative, or do not sum to 1.
    """
    probabilities = np.asarray(probabilities, np.float64)
    if probabilities.ndim != 2 or len(probabilities) != len(gold):
        raise ValueError(f"calibration takes probabilities [{len(gold)}, labels], {list(probabilities.shape)} given")
    _check(probabilities, probabilities.sum(axis=1))
    labelled = gold >= 0
    if not labelled.any():
        return None
    probabilities, gold = probabilities[labelled], gold[labelled]
    one_hot = np.eye(probabilities.shape[1])[gold]
    # scikit-learn warns of sums that float32 rounds.
    normalized = probabilities / probabilities.sum(axis=1, keepdims=True)
    bins, error = _reliability(probabilities.max(axis=1), probabilities.argmax(axis=1) == gold)
    return Calibration(
        nll=float(log_loss(gold, normalized, labels=np.arange(probabilities.shape[1]))),
        brier=float(((probabilities - one_hot) ** 2).sum(axis=1).mean()),
        ece=error,
        bins=bins,
        n=len(gold),
    )


def ranking_calibration(probabilities: np.ndarray, gold: np.ndarray, queries: np.ndarray) -> Calibration | None:
    """Returns how well the probabilities of a ranking's candidates fit; None if no query has a relevant one.

    The answer to a query is its most probable candidate, and right if that is relevant; where several are as probable,
    it counts as right in the share of them that are relevant.

    Args:
        probabilities: Of each candidate among those of its query, float [rows].
        gold: 1 for relevant candidates, 0 for others, -1 for no gold label, int [rows]; queries without a relevant
            candidate, or with one without gold label, are left out.
        queries: Number of each row's query, from 0, int [rows].

    Raises:
        ValueError: The probabilities are of another shape, negative, or do not sum to 1 over each query.
    """
    probabilities = np.asarray(probabilities, np.float64)
    if not probabilities.shape == gold.shape == queries.shape:
        raise ValueError(
            f"calibration takes a gold label and a query of each candidate, {len(probabilities)} probabilities, "
            f"{len(gold)} labels and {len(queries)} queries given"
        )
    _check(probabilities, list_sums(probabilities, queries)[np.unique(queries)])
    _, has_gold = relevance_distribution(gold, queries)
    if not has_gold.any():
        return None
    _, places = np.unique(queries[has_gold], return_inverse=True)
    probabilities, relevant = probabilities[has_gold], gold[has_gold] == _RELEVANT
    of_relevant = list_sums(np.where(relevant, probabilities, 0.0), places) / list_sums(probabilities, places)
    highest = np.zeros(len(of_relevant))
    np.maximum.at(highest, places, probabilities)
    first = probabilities == highest[places]
    bins, error = _reliability(highest, list_sums(first & relevant, places) / list_sums(first, places))
    nll = -np.log(np.maximum(of_relevant, _SMALLEST)).mean()
    return Calibration(nll=float(nll), brier=None, ece=error, bins=bins, n=len(of_relevant))


def _check(probabilities: np.ndarray, sums: np.ndarray) -> None:
    if not (probabilities >= 0).all() or not (np.abs(sums - 1) <= _SUM_TOLERANCE).all():
        raise ValueError("calibration takes probabilities: from 0 on, with a sum of 1; others, such as logits, given")


def _reliability(confidence: np.ndarray, right: np.ndarray) -> tuple[tuple[ReliabilityBin, ...], float]:
    """Returns the bins, and their expected calibration error."""
    bin_of = np.digitize(confidence, np.arange(1, NUM_BINS) / NUM_BINS, right=True)
    bins, error = [], 0.0
    for number in range(NUM_BINS):
        members = bin_of == number
        count = int(members.sum())
        if not count:
            bins.append(ReliabilityBin(None, None, 0))
            continue
        bins.append(ReliabilityBin(float(confidence[members].mean()), float(right[members].mean()), count))
        error += abs(float(right[members].sum() - confidence[members].sum())) / len(confidence)
    return tuple(bins), error
