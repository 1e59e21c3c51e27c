"""What results show beyond chance: means with their spread, and differences of two models by seed or by example."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import numpy as np
from scipy import stats

from mtdnn_tf.json_files import finite, to_json
from mtdnn_tf.kinds.lists import relevance_distribution
from mtdnn_tf.kinds.values import Metric
from mtdnn_tf.tasks.task import Task

CONFIDENCE = 0.95
RESAMPLES = 1000
# Up to so many differences every one of the 2^n flips of sign is counted.
_EXACT = 16
_FLIPS = 100_000
# Sums that are equal on paper differ in their last bits.
_ROUNDING = 1e-12
_CHUNK = 1 << 22


class Summary(NamedTuple):
    """What a measure is over several runs.

    Attributes:
        mean: Mean; None of no values.
        deviation: Sample standard deviation, with n - 1; None of fewer than 2 values.
        n: Number of values.
    """

    mean: float | None
    deviation: float | None
    n: int


class PairedDifference(NamedTuple):
    """The difference of two models, from pairs of values.

    Attributes:
        mean: Mean of the differences, or the difference of a metric over all examples.
        low: Lower end of its 95 % interval; nan of fewer than 2 pairs.
        high: Upper end of it.
        p_value: Of the two-sided paired permutation test: how often a difference as far from 0 comes about if it is
            chance which value of a pair is whose.
        n: Number of pairs.
    """

    mean: float
    low: float
    high: float
    p_value: float
    n: int

    def to_json(self) -> dict[str, Any]:
        """Returns the fields as JSON values, None for nan."""
        return dict(to_json(self))


def summarise(values: Iterable[float | None]) -> Summary:
    """Returns mean, sample standard deviation and number of the values that are there; None and nan are not."""
    known = np.array([value for value in values if finite(value) is not None], np.float64)
    return Summary(
        float(known.mean()) if len(known) else None,
        float(known.std(ddof=1)) if len(known) > 1 else None,
        len(known),
    )


def paired_difference(first: Mapping[int, float], second: Mapping[int, float]) -> PairedDifference | None:
    """Returns the difference of two models over the seeds that both have, first less second.

    The interval is Student's t interval of the mean; the test flips the signs of the differences. With n seeds no p
    value is below 2^(1-n): 5 seeds cannot show less than 0.0625, 6 seeds 0.03125.

    Args:
        first: Values by seed.
        second: Values by seed.

    Returns:
        The difference; None if they have no seed in common; nan throughout if a value is not finite.
    """
    differences = np.array([first[seed] - second[seed] for seed in first if seed in second], np.float64)
    n = len(differences)
    if not n:
        return None
    if not np.isfinite(differences).all():
        return PairedDifference(math.nan, math.nan, math.nan, math.nan, n)
    mean = float(differences.mean())
    reach = float(stats.t.ppf((1 + CONFIDENCE) / 2, n - 1) * stats.sem(differences)) if n > 1 else math.nan
    return PairedDifference(mean, mean - reach, mean + reach, sign_flip_test(differences), n)


def sign_flip_test(differences: np.ndarray, flips: int = _FLIPS, seed: int = 0) -> float:
    """Returns the two-sided p value of the paired permutation test of a mean.

    How often flipping the signs of the differences makes a sum as far from 0 as theirs: of all 2^n ways up to 16
    differences, else of random ones, of which theirs counts as one, so that it is never 0.

    Args:
        differences: Of the pairs, finite, float [n], n from 1.
        flips: Number of random ways. Defaults to 100,000.
        seed: Of the random ways. Defaults to 0.
    """
    n = len(differences)
    reached = abs(differences.sum()) - _ROUNDING * np.abs(differences).sum()
    if n <= _EXACT:
        # The other half of the ways are these with every sign turned, and their sums are as far from 0.
        ways = np.arange(1 << (n - 1))
        signs = 1 - 2 * (ways[:, None] >> np.arange(n) & 1)
        return float(np.mean(np.abs(signs @ differences) >= reached))
    generator = np.random.default_rng(seed)
    as_far = 0
    rows = max(1, _CHUNK // n)
    for start in range(0, flips, rows):
        turned = generator.integers(0, 2, (min(rows, flips - start), n), np.int8)
        as_far += int(np.sum(np.abs(differences.sum() - 2 * (turned @ differences)) >= reached))
    return (as_far + 1) / (flips + 1)


def paired_examples(
    gold: np.ndarray,
    first: np.ndarray,
    second: np.ndarray,
    metric: Metric,
    seed: int,
    queries: np.ndarray | None = None,
    resamples: int = RESAMPLES,
) -> PairedDifference | None:
    """Returns the difference of two models' metrics on one split, first less second, for the split's examples alone.

    What another training would give is not in it: that is the spread over seeds. The interval is the bootstrap's 95 %
    percentile interval over examples drawn with replacement, the same for both models; the test exchanges the models'
    predictions example by example (approximate randomization). Of a ranking it is queries that are drawn and exchanged.

    Args:
        gold: Labels, -1 for none, or scores, nan for none, [rows]; rows without are left out.
        first: Of one model, [rows, ...], as the metric takes them.
        second: Of the other model, as `first`.
        metric: From gold and predictions to a number; of a ranking from whether each candidate of one query is relevant
            and its prediction, the split's being the mean over queries.
        seed: Of the random draws.
        queries: Of a ranking, the number of each row's query, int [rows]; queries without a relevant candidate, or with
            one that has no gold label, are left out.
        resamples: Number of bootstrap samples, and of random exchanges. Defaults to 1000.

    Returns:
        The difference, with the number of examples or queries as its n; None if no row has gold.

    Raises:
        ValueError: The arrays are not of as many rows.
    """
    rows = {len(gold), len(first), len(second), len(gold if queries is None else queries)}
    if len(rows) > 1:
        raise ValueError(f"paired examples take as many predictions as gold labels, {len(gold)}; {rows} rows given")
    if queries is not None:
        return _paired_queries(gold, first, second, metric, seed, queries, resamples)
    first_numbers = gold.reshape(len(gold), -1)[:, 0]
    has_gold = np.isfinite(first_numbers) if gold.dtype.kind == "f" else first_numbers >= 0
    gold, first, second = gold[has_gold], first[has_gold], second[has_gold]
    n = len(gold)
    if not n:
        return None
    observed = metric(gold, first) - metric(gold, second)
    generator = np.random.default_rng(seed)
    drawn, exchanged = np.empty(resamples), np.empty(resamples)
    for number in range(resamples):
        sample = generator.integers(0, n, n)
        drawn[number] = metric(gold[sample], first[sample]) - metric(gold[sample], second[sample])
        swap = generator.random(n) < 0.5
        swap = swap.reshape(n, *(1 for _ in first.shape[1:]))
        one, other = np.where(swap, second, first), np.where(swap, first, second)
        exchanged[number] = metric(gold, one) - metric(gold, other)
    as_far = int(np.sum(np.abs(exchanged) >= abs(observed) - _ROUNDING))
    return PairedDifference(observed, *_interval(drawn), (as_far + 1) / (resamples + 1), n)


def score_function(task: Task) -> Metric:
    """Returns the mean of a task's metrics as `paired_examples` takes it, from predictions [rows, num_outputs]."""
    kind = task.kind_object
    functions = [kind.metrics[name] for name in task.metrics]
    return lambda gold, predictions: float(
        np.mean([metric(gold, kind.metric_input(predictions)) for metric in functions])
    )


def _paired_queries(
    gold: np.ndarray,
    first: np.ndarray,
    second: np.ndarray,
    metric: Metric,
    seed: int,
    queries: np.ndarray,
    resamples: int,
) -> PairedDifference | None:
    """Returns the difference of two models' rankings: a mean over queries, each of which is judged once."""
    _, has_gold = relevance_distribution(gold, queries)
    kept = np.flatnonzero(has_gold)
    if not len(kept):
        return None
    by_query = kept[np.argsort(queries[kept], kind="stable")]
    lists = np.split(by_query, np.flatnonzero(np.diff(queries[by_query])) + 1)
    differences = np.array(
        [metric(gold[rows] == 1, first[rows]) - metric(gold[rows] == 1, second[rows]) for rows in lists]
    )
    n = len(differences)
    generator = np.random.default_rng(seed)
    drawn = np.array([differences[generator.integers(0, n, n)].mean() for _ in range(resamples)])
    p_value = sign_flip_test(differences, resamples, seed)
    return PairedDifference(float(differences.mean()), *_interval(drawn), p_value, n)


def _interval(drawn: np.ndarray) -> tuple[float, float]:
    low, high = np.quantile(drawn, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    return float(low), float(high)
