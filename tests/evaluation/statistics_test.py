import itertools
import math

import numpy as np
import pytest
from scipy import stats

from mtdnn_tf.evaluation.statistics import paired_difference, sign_flip_test


def test_only_seeds_that_both_have_are_paired():
    first, second = {1: 0.5, 2: 0.75, 3: 0.25, 9: 1.0}, {3: 0.0, 1: 0.25, 2: 0.5, 7: 0.0}
    difference = paired_difference(first, second)
    assert difference == pytest.approx((0.25, 0.25, 0.25, 2 / 8, 3))
    assert paired_difference({1: 0.0}, {2: 0.0}) is None
    alone = paired_difference({1: 0.5}, {1: 0.25})
    assert alone is not None
    assert (alone.mean, alone.p_value, alone.n) == (0.25, 1.0, 1)
    assert math.isnan(alone.low)
    assert math.isnan(alone.high)


def test_the_interval_is_that_of_the_t_test():
    values = np.random.default_rng(0).normal(0.1, 1.0, 7)
    difference = paired_difference(dict(enumerate(values)), dict.fromkeys(range(7), 0.0))
    expected = stats.ttest_1samp(values, 0.0).confidence_interval(0.95)
    assert difference is not None
    assert (difference.low, difference.high) == pytest.approx((expected.low, expected.high))


@pytest.mark.parametrize("n", [2, 5, 9])
def test_the_permutation_test_counts_every_flip(n):
    values = np.random.default_rng(n).normal(0.5, 1.0, n)
    means = [abs(np.mean(values * signs)) for signs in itertools.product([1, -1], repeat=n)]
    expected = np.mean([mean >= abs(values.mean()) - 1e-12 for mean in means])
    assert sign_flip_test(values) == pytest.approx(expected)


def test_many_pairs_are_sampled_and_repeatable():
    values = np.random.default_rng(1).normal(0.3, 1.0, 40)
    p_value = sign_flip_test(values)
    assert p_value == sign_flip_test(values)
    assert p_value == pytest.approx(stats.ttest_1samp(values, 0.0).pvalue, abs=0.02)
