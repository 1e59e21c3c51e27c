"""Differences of models that were trained with the same seeds."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from scipy import stats

CONFIDENCE = 0.95
# Up to so many pairs every one of the 2^n flips of sign is counted.
_EXACT_PAIRS = 16
_RESAMPLES = 100_000


class PairedDifference(NamedTuple):
    """The difference of two models, seed by seed.

    Attributes:
        mean: Mean of the differences.
        low: Lower end of the 95 % t interval of the mean; nan of one pair.
        high: Upper end of it.
        p_value: Of the two-sided sign-flip permutation test: how often flipping the signs of the differences at random
            makes a mean as far from 0. With n pairs it is 2^(1-n) or more, so that 5 pairs cannot be below 0.0625.
        n: Number of pairs.
    """

    mean: float
    low: float
    high: float
    p_value: float
    n: int


def paired_difference(first: Mapping[int, float], second: Mapping[int, float]) -> PairedDifference | None:
    """Returns the difference of two models' values, first less second; None if they have no seed in common.

    Args:
        first: Values by seed.
        second: Values by seed.
    """
    differences = np.array([first[seed] - second[seed] for seed in first if seed in second], np.float64)
    n = len(differences)
    if not n:
        return None
    mean = float(differences.mean())
    if n == 1:
        return PairedDifference(mean, math.nan, math.nan, 1.0, 1)
    reach = float(stats.t.ppf((1 + CONFIDENCE) / 2, n - 1) * stats.sem(differences))
    return PairedDifference(mean, mean - reach, mean + reach, sign_flip_test(differences), n)


def sign_flip_test(differences: np.ndarray) -> float:
    """Returns the p value of the paired permutation test, exact up to 16 pairs, else of 100,000 random flips.

    Args:
        differences: Of the pairs, float [n].
    """
    resamples = np.inf if len(differences) <= _EXACT_PAIRS else _RESAMPLES
    result = stats.permutation_test(
        (differences,),
        np.mean,
        permutation_type="samples",
        vectorized=True,
        n_resamples=resamples,
        alternative="two-sided",
        random_state=np.random.default_rng(0),
    )
    return float(result.pvalue)
