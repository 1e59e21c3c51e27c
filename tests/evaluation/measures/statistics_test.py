import itertools
import math
import statistics as plain

import numpy as np
import pytest
from scipy import stats

from mtdnn_tf.evaluation.measures.metrics import compute_metrics
from mtdnn_tf.evaluation.measures.statistics import (
    PairedDifference,
    Summary,
    paired_difference,
    paired_examples,
    sign_flip_test,
    summarise,
)
from mtdnn_tf.json_files import to_json
from mtdnn_tf.tasks.task import Task

ANSWERS = Task("answers", "ranking", ("q", "a"), ("0", "1"), ("mrr", "map", "accuracy_at_1"))


def _accuracy(gold, predicted):
    return float(np.mean(gold == predicted))


def _likelihood(gold, probabilities):
    return float(np.mean(np.log(probabilities[np.arange(len(gold)), gold])))


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


def test_examples_of_all_draws_are_those_of_brute_force():
    # Right and wrong: differences of the accuracies by example are 1, 1, 1, -1, 0.
    gold, first, second = np.zeros(5, int), np.array([0, 0, 0, 1, 0]), np.array([1, 1, 1, 0, 0])
    found = paired_examples(gold, first, second, _accuracy, seed=3, resamples=20_000)
    gains = np.array([1, 1, 1, -1, 0]) / 5
    draws = [sum(gains[list(draw)]) for draw in itertools.product(range(5), repeat=5)]
    flips = [abs(np.dot(signs, gains)) for signs in itertools.product([1, -1], repeat=5)]
    assert found is not None
    assert found.mean == pytest.approx(0.4)
    assert (found.low, found.high) == pytest.approx(tuple(np.quantile(draws, [0.025, 0.975])))
    assert found.p_value == pytest.approx(np.mean([value >= 0.4 - 1e-9 for value in flips]), abs=0.015)
    assert found.n == 5


def test_the_bootstrap_interval_is_scipys():
    random = np.random.default_rng(1)
    gold = random.normal(size=300)
    first, second = (gold + random.normal(0, spread, 300) for spread in (0.6, 0.9))

    def correlation(one, other):
        return float(np.corrcoef(one, other)[0, 1])

    def difference(g, a, b):
        return correlation(g, a) - correlation(g, b)

    found = paired_examples(gold, first, second, correlation, seed=0, resamples=1000)
    expected = stats.bootstrap(
        (gold, first, second),
        difference,
        paired=True,
        vectorized=False,
        n_resamples=1000,
        method="percentile",
        random_state=np.random.default_rng(5),
    ).confidence_interval
    assert found is not None
    assert found.mean == pytest.approx(difference(gold, first, second))
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high), abs=0.01)
    assert found.p_value == 1 / 1001


def test_examples_are_repeatable():
    random = np.random.default_rng(2)
    gold = random.integers(0, 2, 80)
    first, second = random.dirichlet((1, 1), 80), random.dirichlet((1, 1), 80)
    found = paired_examples(gold, first, second, _likelihood, seed=7, resamples=50)
    assert found == paired_examples(gold, first, second, _likelihood, seed=7, resamples=50)
    assert found != paired_examples(gold, first, second, _likelihood, seed=8, resamples=50)
    assert paired_examples(gold[:0], first[:0], second[:0], _likelihood, seed=7) is None


def test_queries_of_a_ranking_are_drawn():
    random = np.random.default_rng(4)
    queries = random.permutation(np.repeat(np.arange(30), random.integers(2, 8, 30)))
    gold = (random.random(len(queries)) < 0.4).astype(np.int32)
    gold[queries == 3] = -1
    first, second = ((random.permutation(len(queries)) + 40.0 * strong * gold)[:, None] for strong in (1, 0))
    judged = [query for query in range(30) if (gold[queries == query] == 1).any() and query != 3]
    by_query = []
    for query in judged:
        rows = queries == query
        scores = [
            np.mean(list(compute_metrics(ANSWERS, side[rows], gold[rows], np.zeros(rows.sum(), int)).values()))
            for side in (first, second)
        ]
        by_query.append(scores)
    first_scores, second_scores = np.array(by_query).T
    found = paired_examples(
        np.zeros(len(judged)), first_scores, second_scores, lambda gold, scores: scores.mean(), 0, resamples=2000
    )
    whole = [np.mean(list(compute_metrics(ANSWERS, side, gold, queries).values())) for side in (first, second)]
    expected = stats.bootstrap(
        (first_scores - second_scores,), np.mean, n_resamples=2000, method="percentile"
    ).confidence_interval
    assert isinstance(found, PairedDifference)
    assert len(judged) < 30
    assert found.n == len(judged)
    assert found.mean == pytest.approx(whole[0] - whole[1])
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high), abs=0.02)
    assert found.p_value == pytest.approx(stats.ttest_rel(first_scores, second_scores).pvalue, abs=0.03)
