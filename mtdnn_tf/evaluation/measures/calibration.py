"""Whether a model's probabilities are right: proper scores, and confidence against accuracy."""

from __future__ import annotations

import dataclasses
from typing import NamedTuple

import numpy as np

from mtdnn_tf.evaluation.measures.metrics import check_predictions
from mtdnn_tf.tasks.task import Task

NUM_BINS = 10


@dataclasses.dataclass(frozen=True)
class Bin:
    """A bin of answers with similar confidence: its means, None if it is empty, and their number."""

    confidence: float | None
    accuracy: float | None
    count: int


class Calibration(NamedTuple):
    """How well probabilities fit the gold labels."""

    nll: float  # Mean negative log-likelihood of the gold label, or of a query's relevant candidates, in nats.
    brier: float | None  # Mean of the sum over labels of (probability - gold)^2, from 0 to 2; None for a ranking.
    ece: float  # Expected calibration error (Guo et al. 2017, arXiv 1706.04599 sec. 2), from 0 to 1.
    bins: tuple[Bin, ...]  # Of equal width, (0, 0.1] to (0.9, 1], by the probability of the answer.
    n: int  # Number of examples, or queries, with gold.


def calibration(
    task: Task, predictions: np.ndarray, gold: np.ndarray, queries: np.ndarray | None = None
) -> Calibration | None:
    """Returns how well a task's probabilities fit its gold labels; None for scores, or if no row has a gold label.

    Arguments are those of `compute_metrics`, and the same rows are left out.

    Raises:
        ValueError: Probabilities are of another shape, negative, or do not sum to 1.
    """
    check_predictions(task, predictions, len(gold), queries, "calibration")
    labelled = task.kind_object.labelled(gold, queries)
    if not labelled.any():
        return None
    of_labelled = None if queries is None else queries[labelled]
    found = task.kind_object.confidences(predictions[labelled], gold[labelled], of_labelled)
    if found is None:
        return None
    bin_of = np.digitize(found.confidence, np.arange(1, NUM_BINS) / NUM_BINS, right=True)
    bins = tuple(_bin(found.confidence[bin_of == i], found.right[bin_of == i]) for i in range(NUM_BINS))
    n = len(found.confidence)
    error = sum(abs((b.accuracy or 0.0) - (b.confidence or 0.0)) * b.count / n for b in bins)
    return Calibration(found.nll, found.brier, error, bins, n)


def _bin(confidence: np.ndarray, right: np.ndarray) -> Bin:
    return Bin(float(confidence.mean()), float(right.mean()), len(right)) if len(right) else Bin(None, None, 0)
