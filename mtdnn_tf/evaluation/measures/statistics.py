"""What results show beyond chance: means with their spread, and differences of two models by seed."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import NamedTuple

import numpy as np
from scipy import stats

from mtdnn_tf.json_files import finite

_CONFIDENCE = 0.95
# Up to 16 differences have fewer ways than that, and all of them are counted.
_FLIPS = 100_000
# Sums that are equal on paper differ in their last bits.
_DECIMALS = 12


class Summary(NamedTuple):
    """Mean, sample standard deviation and number of values; None for the mean of none and the deviation of one."""

    mean: float | None
    deviation: float | None
    n: int


class PairedDifference(NamedTuple):
    """The difference of two models, from pairs of values."""

    mean: float  # Of the differences.
    low: float  # Lower end of its 95 % interval; nan of fewer than 2 pairs.
    high: float
    # Of the two-sided paired permutation test: how often a difference as far from 0 comes about if it is chance which
    # value of a pair is whose.
    p_value: float
    n: int  # Number of pairs.


def summarise(values: Iterable[float | None]) -> Summary:
    """Returns mean, sample standard deviation and number of the values that are there; None and nan are not."""
    known = np.array([value for value in values if finite(value) is not None], np.float64)
    return Summary(
        float(known.mean()) if len(known) else None, float(known.std(ddof=1)) if len(known) > 1 else None, len(known)
    )


def paired_difference(first: Mapping[int, float], second: Mapping[int, float]) -> PairedDifference | None:
    """Returns the difference of two models' values by seed over the seeds that both have, first less second.

    It is the mean with Student's t interval and the p value of `sign_flip_test`, which for n seeds is at least 2^(1-n);
    None if they have no seed in common; nan throughout if a value is not finite.
    """
    differences = np.array([first[seed] - second[seed] for seed in first if seed in second], np.float64)
    n = len(differences)
    if not n:
        return None
    if not np.isfinite(differences).all():
        return PairedDifference(math.nan, math.nan, math.nan, math.nan, n)
    mean = float(differences.mean())
    reach = float(stats.t.ppf((1 + _CONFIDENCE) / 2, n - 1) * stats.sem(differences)) if n > 1 else math.nan
    return PairedDifference(mean, mean - reach, mean + reach, sign_flip_test(differences), n)


def sign_flip_test(differences: np.ndarray) -> float:
    """Returns the two-sided p value of the paired permutation test of a mean.

    How often flipping the signs of the differences makes a sum as far from 0 as theirs: of all 2^n ways up to 16
    differences, else of 100,000 random ones, of which theirs counts as one, so that it is never 0. The differences are
    finite, float [n], n from 1.
    """
    if len(differences) < 2:
        return 1.0
    scaled = differences / (np.abs(differences).max() or 1.0)

    def distance(values: np.ndarray, axis: int) -> np.ndarray:
        return np.round(np.abs(values.sum(axis=axis)), _DECIMALS)

    found = stats.permutation_test(
        (scaled,),
        distance,
        permutation_type="samples",
        vectorized=True,
        n_resamples=_FLIPS,
        alternative="greater",
        random_state=0,
    )
    return float(found.pvalue)
