from __future__ import annotations

import warnings

import numpy as np
import pytest

from mtdnn_tf.errors import UserError
from mtdnn_tf.evaluation.measures.metrics import compute_metrics
from mtdnn_tf.tasks.task import Task

_BINARY = Task(
    name="binary",
    kind="classification",
    text=("text",),
    labels=("no", "yes"),
    metrics=("accuracy", "f1", "f1_macro", "matthews_correlation"),
)
_THREE_WAY = Task(
    name="three_way",
    kind="classification",
    text=("text",),
    labels=("a", "b", "c"),
    metrics=("accuracy", "f1_macro", "matthews_correlation"),
)
_SCORED = Task(name="scored", kind="regression", text=("text",), metrics=("pearson", "spearman"))


def _one_hot(labels, classes):
    return np.eye(classes, dtype=np.float32)[np.asarray(labels)]


def _scores(values):
    return np.asarray(values, np.float32)[:, None]


def _f1_by_counting(gold, predicted, positive):
    hits = np.sum((gold == positive) & (predicted == positive))
    wrong = np.sum((gold == positive) != (predicted == positive))
    return 2 * hits / (2 * hits + wrong)


def _matthews_by_covariance(gold, predicted, classes):
    """Gorodkin's K-class correlation: the covariance of one-hot matrices over their standard deviations."""
    x, y = _one_hot(gold, classes).astype(np.float64), _one_hot(predicted, classes).astype(np.float64)
    x, y = x - x.mean(axis=0), y - y.mean(axis=0)
    return np.sum(x * y) / np.sqrt(np.sum(x * x) * np.sum(y * y))


def _pearson_by_formula(x, y):
    x, y = x - np.mean(x), y - np.mean(y)
    return np.sum(x * y) / np.sqrt(np.sum(x * x) * np.sum(y * y))


def _average_ranks(values):
    return np.array([np.mean(np.flatnonzero(np.sort(values) == value)) for value in values])


def test_binary_metrics_by_hand():
    # "yes" is positive: 2 true positives, 1 false positive, 1 false negative, 2 true negatives.
    metrics = compute_metrics(_BINARY, _one_hot([1, 1, 1, 0, 0, 0], 2), np.array([1, 1, 0, 1, 0, 0]))
    assert list(metrics) == ["accuracy", "f1", "f1_macro", "matthews_correlation"]
    assert metrics == pytest.approx({"accuracy": 4 / 6, "f1": 2 / 3, "f1_macro": 2 / 3, "matthews_correlation": 3 / 9})


def test_f1_is_that_of_the_second_label():
    metrics = compute_metrics(_BINARY, _one_hot([1, 0, 0, 0], 2), np.array([1, 1, 0, 0]))
    assert metrics["f1"] == pytest.approx(2 / 3)
    assert metrics["f1_macro"] == pytest.approx((2 / 3 + 4 / 5) / 2)


@pytest.mark.parametrize("seed", range(5))
def test_classification_metrics_agree_with_formulas(seed):
    random = np.random.default_rng(seed)
    gold = random.integers(0, 3, 80)
    probabilities = random.dirichlet(np.ones(3), 80).astype(np.float32)
    predicted = probabilities.argmax(axis=1)
    metrics = compute_metrics(_THREE_WAY, probabilities, gold)
    assert metrics["accuracy"] == pytest.approx(np.mean(gold == predicted), abs=1e-12)
    assert metrics["f1_macro"] == pytest.approx(
        np.mean([_f1_by_counting(gold, predicted, label) for label in range(3)]), abs=1e-12
    )
    assert metrics["matthews_correlation"] == pytest.approx(_matthews_by_covariance(gold, predicted, 3), abs=1e-12)


@pytest.mark.parametrize("seed", range(5))
def test_correlations_agree_with_formulas_where_scores_tie(seed):
    random = np.random.default_rng(seed)
    gold = np.round(random.uniform(0, 5, 60))
    predicted = np.round(gold + random.normal(0, 2, 60), 1).astype(np.float32)
    assert len(np.unique(predicted)) < 60
    metrics = compute_metrics(_SCORED, predicted[:, None], gold.astype(np.float32))
    wide = predicted.astype(np.float64)
    assert metrics["pearson"] == pytest.approx(_pearson_by_formula(gold, wide), abs=1e-12)
    assert metrics["spearman"] == pytest.approx(
        _pearson_by_formula(_average_ranks(gold), _average_ranks(wide)), abs=1e-12
    )


def test_correlations_by_hand():
    metrics = compute_metrics(_SCORED, _scores([1, 2, 3, 4]), np.array([1, 4, 9, 16], np.float32))
    assert metrics["spearman"] == pytest.approx(1.0)
    assert metrics["pearson"] == pytest.approx(25 / np.sqrt(5 * 129))


def test_undefined_metrics_are_zero_without_warnings():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        constant = compute_metrics(_BINARY, _one_hot([0, 0, 0], 2), np.array([1, 0, 1]))
        one_class_gold = compute_metrics(_BINARY, _one_hot([0, 1, 0], 2), np.array([0, 0, 0]))
        nothing_positive = compute_metrics(_BINARY, _one_hot([0, 0], 2), np.array([0, 0]))
        constant_scores = compute_metrics(_SCORED, _scores([2, 2, 2]), np.array([1.0, 2.0, 3.0]))
        constant_gold = compute_metrics(_SCORED, _scores([1, 2, 3]), np.array([0.1, 0.1, 0.1]))
        one_row = compute_metrics(_SCORED, _scores([1]), np.array([2.0]))
    assert constant["matthews_correlation"] == constant["f1"] == 0.0
    assert one_class_gold["matthews_correlation"] == one_class_gold["f1"] == 0.0
    assert nothing_positive["f1"] == 0.0
    assert nothing_positive["accuracy"] == 1.0
    for metrics in (constant_scores, constant_gold, one_row):
        assert metrics == {"pearson": 0.0, "spearman": 0.0}


def test_rows_without_gold_are_left_out():
    with_all = compute_metrics(_BINARY, _one_hot([1, 0, 1], 2), np.array([1, 1, 0]))
    with_gaps = compute_metrics(_BINARY, _one_hot([1, 0, 0, 1, 1], 2), np.array([1, -1, 1, 0, -1]))
    assert with_gaps == with_all
    scores = compute_metrics(_SCORED, _scores([1, 5, 3, 2]), np.array([1, np.nan, 2, 4], np.float32))
    assert scores == compute_metrics(_SCORED, _scores([1, 3, 2]), np.array([1, 2, 4], np.float32))


def test_a_split_without_any_gold_is_refused():
    with pytest.raises(UserError, match="none of the 2 rows has one"):
        compute_metrics(_BINARY, _one_hot([1, 0], 2), np.array([-1, -1]))


@pytest.mark.parametrize("predictions", [np.ones((2, 3)), np.ones((3, 2)), np.array([[0.5, 0.5], [np.nan, 0.5]])])
def test_predictions_of_another_shape_or_not_finite_are_refused(predictions):
    with pytest.raises(ValueError, match="finite predictions"):
        compute_metrics(_BINARY, predictions, np.array([0, 1]))
