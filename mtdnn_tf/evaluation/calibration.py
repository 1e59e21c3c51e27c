"""Whether a model's probabilities are right: proper scores, and confidence against accuracy."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

NUM_BINS = 10
# A probability of 0 for what is true would be infinitely wrong; the smallest normal float32 is about 1e-38.
_SMALLEST = 1e-30


@dataclasses.dataclass(frozen=True)
class ReliabilityBin:
    """Examples of like confidence.

    Attributes:
        confidence: Mean probability of the predicted label; None if the bin is empty.
        accuracy: Share predicted rightly; None if the bin is empty.
        count: Number of examples.
    """

    confidence: float | None
    accuracy: float | None
    count: int


class Calibration(NamedTuple):
    """How well probabilities fit.

    Attributes:
        nll: Mean negative log-likelihood of the gold labels, in nats.
        brier: Mean over examples of the sum over labels of (probability - gold)^2 (Brier 1950), from 0 to 2.
        ece: Expected calibration error (Guo et al. 2017, arXiv 1706.04599): the mean of |accuracy - confidence| over
            10 bins of equal width, weighted by their examples.
        bins: Those bins, from low to high confidence.
    """

    nll: float
    brier: float
    ece: float
    bins: Sequence[ReliabilityBin]


def calibration(probabilities: np.ndarray, gold: np.ndarray) -> Calibration | None:
    """Returns how well the probabilities of a classification fit its gold labels; None if there are none.

    Args:
        probabilities: Float [examples, labels].
        gold: Label indices, -1 for none, int [examples]; examples without are left out.
    """
    labelled = gold >= 0
    if not labelled.any():
        return None
    probabilities, gold = np.asarray(probabilities, np.float64)[labelled], gold[labelled]
    of_gold = probabilities[np.arange(len(gold)), gold]
    one_hot = np.eye(probabilities.shape[1])[gold]
    confidence, right = probabilities.max(axis=1), probabilities.argmax(axis=1) == gold
    # The bins are (0, 0.1], ..., (0.9, 1].
    bin_of = np.clip(np.ceil(confidence * NUM_BINS).astype(int) - 1, 0, NUM_BINS - 1)
    bins = [_bin(confidence[bin_of == number], right[bin_of == number]) for number in range(NUM_BINS)]
    gaps = [abs(right[bin_of == number].sum() - confidence[bin_of == number].sum()) for number in range(NUM_BINS)]
    return Calibration(
        nll=float(-np.log(np.maximum(of_gold, _SMALLEST)).mean()),
        brier=float(((probabilities - one_hot) ** 2).sum(axis=1).mean()),
        ece=float(sum(gaps)) / len(gold),
        bins=bins,
    )


def _bin(confidence: np.ndarray, right: np.ndarray) -> ReliabilityBin:
    if not len(right):
        return ReliabilityBin(None, None, 0)
    return ReliabilityBin(float(confidence.mean()), float(right.mean()), len(right))
