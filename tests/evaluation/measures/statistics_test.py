import itertools
import math
import statistics as plain

import numpy as np
import pytest
from scipy import stats

from mtdnn_tf.evaluation.measures.statistics import (
    Summary,
    paired_difference,
    sign_flip_test,
    summarise,
)
from mtdnn_tf.json_files import to_json


def test_a_summary_is_mean_sample_deviation_and_number():
    values = [0.61, 0.7, 0.55, 0.9]
    assert summarise(iter(values)) == pytest.approx((plain.fmean(values), plain.stdev(values), 4))
    assert summarise([0.5]) == (0.5, None, 1)
    assert summarise([]) == summarise([None, math.nan]) == (None, None, 0)
    assert isinstance(summarise([1.0]), Summary)


def test_only_seeds_that_both_have_are_paired():
    first, second = {1: 0.5, 2: 0.75, 3: 0.25, 9: 1.0}, {3: 0.0, 1: 0.25, 2: 0.5, 7: 0.0}
    # All three differences are 0.25: of the 8 flips only two make as large a sum.
    assert paired_difference(first, second) == pytest.approx((0.25, 0.25, 0.25, 2 / 8, 3))
    assert paired_difference(second, first) == pytest.approx((-0.25, -0.25, -0.25, 2 / 8, 3))
    assert paired_difference({1: 0.0}, {2: 0.0}) is None


def test_one_pair_has_no_interval_and_no_evidence():
    alone = paired_difference({1: 0.5}, {1: 0.25})
    assert alone is not None
    assert to_json(alone) == {"mean": 0.25, "low": None, "high": None, "p_value": 1.0, "n": 1}


def test_models_that_differ_nowhere_have_p_of_1():
    assert paired_difference({1: 0.5, 2: 0.5}, {1: 0.5, 2: 0.5}) == (0.0, 0.0, 0.0, 1.0, 2)


def test_a_score_that_is_no_number_is_no_evidence():
    broken = paired_difference({1: 0.5, 2: math.nan}, {1: 0.1, 2: 0.2})
    assert broken is not None
    assert to_json(broken) == {"mean": None, "low": None, "high": None, "p_value": None, "n": 2}


def test_the_interval_is_that_of_the_paired_t_test():
    random = np.random.default_rng(0)
    first, second = random.normal(0.1, 1.0, 7), random.normal(0.0, 1.0, 7)
    difference = paired_difference(dict(enumerate(first)), dict(enumerate(second)))
    expected = stats.ttest_rel(first, second).confidence_interval(0.95)
    assert difference is not None
    assert difference[:3] == pytest.approx((np.mean(first - second), expected.low, expected.high))


@pytest.mark.parametrize("n", [2, 5, 9, 16])
def test_the_exact_test_is_scipys(n):
    # Two decimals, as scores have, so that sums tie.
    values = np.round(np.random.default_rng(n).normal(0.05, 0.1, n), 2)
    expected = stats.permutation_test(
        (values,), np.mean, permutation_type="samples", vectorized=True, n_resamples=np.inf
    ).pvalue
    assert sign_flip_test(values) == pytest.approx(expected)


@pytest.mark.parametrize(
    "values", [[0.1, 0.2, -0.3], [0.1, 0.2, 0.3, -0.6, 0.05], [0.3, -0.1, -0.1], [3e-9, 1e-9, 2e-9]]
)
def test_the_exact_test_counts_ties_that_rounding_breaks(values):
    whole = [round(value * 1e10) for value in values]
    sums = [abs(sum(a * b for a, b in zip(whole, signs))) for signs in itertools.product([1, -1], repeat=len(whole))]
    assert sign_flip_test(np.array(values)) == np.mean([value >= abs(sum(whole)) for value in sums])


def test_many_pairs_are_sampled_close_to_the_exact_value():
    values = np.array([1.0] * 14 + [-1.0] * 6)
    # As many signs as that: 14 or more of 20 coins alike.
    expected = stats.binomtest(14, 20, 0.5).pvalue
    assert sign_flip_test(values) == sign_flip_test(values)
    assert sign_flip_test(values) == pytest.approx(expected, abs=0.004)
    assert sign_flip_test(np.ones(40)) == 1 / 100_001
