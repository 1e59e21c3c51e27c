import numpy as np
import pytest
from scipy.special import softmax
from scipy.stats import gmean

from mtdnn_tf.distillation.ensemble import (
    average_logits,
    average_predictions,
    prediction_variance,
    variance_weights,
)
from mtdnn_tf.errors import UserError
from mtdnn_tf.kinds.registry import KINDS

FIRST, SECOND = np.array([[0.9, 0.1], [0.2, 0.8]]), np.array([[0.5, 0.5], [0.0, 1.0]])


def test_average_is_the_mean_of_probabilities():
    np.testing.assert_allclose(average_predictions([FIRST, SECOND]), [[0.7, 0.3], [0.1, 0.9]], rtol=1e-6)


def test_weights_are_divided_by_their_sum():
    np.testing.assert_allclose(average_predictions([FIRST, SECOND], [6, 2]), [[0.8, 0.2], [0.15, 0.85]], rtol=1e-6)


@pytest.mark.parametrize("weights", [[1.0], [1.0, -1.0], [0.0, 0.0], [1.0, float("nan")]])
def test_weights_that_fit_no_average_are_refused(weights):
    with pytest.raises(UserError, match="--weights"):
        average_predictions([FIRST, SECOND], weights)


def test_logits_give_the_probabilities_back_and_are_finite():
    probabilities = np.array([[0.25, 0.75], [0.0, 1.0]], np.float32)
    logits = KINDS["classification"].to_logits(probabilities)
    assert np.isfinite(logits).all()
    np.testing.assert_allclose(np.exp(logits) / np.exp(logits).sum(-1, keepdims=True), probabilities, atol=1e-6)


def test_variance_is_that_of_numpy_and_of_repeated_teachers():
    teachers = [np.array([[1.0], [4.0]]), np.array([[3.0], [4.0]]), np.array([[2.0], [1.0]])]
    np.testing.assert_allclose(prediction_variance(teachers), np.var(np.stack(teachers), axis=0)[:, 0], rtol=1e-6)
    repeated = [teachers[0], teachers[0], teachers[1]]
    np.testing.assert_allclose(
        prediction_variance(teachers[:2], [2, 1]), np.var(np.stack(repeated), axis=0)[:, 0], rtol=1e-6
    )
    np.testing.assert_allclose(prediction_variance([FIRST, SECOND]), [0.04, 0.01], rtol=1e-6)
    assert prediction_variance([FIRST]).tolist() == [0.0, 0.0]


def test_examples_on_which_teachers_disagree_count_less():
    np.testing.assert_allclose(variance_weights(np.array([0.0, 2.0, 6.0]), 2.0), [1.0, 0.5, 0.25])
    assert variance_weights(np.zeros(3), 0.0).tolist() == [1.0, 1.0, 1.0]


def test_mean_of_logits_is_the_softmax_of_their_mean_and_the_geometric_mean_of_probabilities():
    logits = np.random.default_rng(0).normal(scale=3, size=(4, 50, 3))
    averaged = average_logits(KINDS["classification"], softmax(logits, axis=-1), [1, 2, 3, 0])
    np.testing.assert_allclose(averaged, softmax(np.average(logits, axis=0, weights=[1, 2, 3, 0]), axis=-1), atol=1e-6)
    means = gmean(softmax(logits, axis=-1), axis=0)
    averaged = average_logits(KINDS["classification"], softmax(logits, axis=-1))
    np.testing.assert_allclose(averaged, means / means.sum(axis=-1, keepdims=True), atol=1e-6)
    assert np.abs(averaged - softmax(logits, axis=-1).mean(axis=0)).max() > 0.05
    assert np.isfinite(average_logits(KINDS["classification"], [np.array([[0.0, 1.0]]), np.array([[1.0, 0.0]])])).all()


def test_logits_of_a_ranking_are_averaged_over_its_lists():
    scores, queries = np.random.default_rng(0).normal(size=(2, 5)), np.array([1, 0, 1, 1, 0])
    lists = [np.flatnonzero(queries == query) for query in (0, 1)]
    teachers, expected = np.zeros((2, 5, 1)), np.zeros(5)
    for rows in lists:
        teachers[:, rows, 0] = softmax(scores[:, rows], axis=-1)
        expected[rows] = softmax(scores[:, rows].mean(axis=0))
    np.testing.assert_allclose(
        average_logits(KINDS["ranking"], list(teachers), queries=queries)[:, 0], expected, rtol=1e-5
    )


def test_an_example_is_the_average_of_the_teachers_that_count_for_it():
    teachers = softmax(np.random.default_rng(0).normal(size=(3, 4, 2)), axis=-1)
    counted = np.array([[True, False, True, True], [True, True, False, True], [False, True, False, True]])
    weights = np.array([1.0, 3.0, 2.0])
    averages = (
        average_predictions(teachers, list(weights), counted),
        average_logits(KINDS["classification"], teachers, list(weights), counted),
    )
    variances = prediction_variance(teachers, list(weights), counted)
    for row in range(4):
        some, given = teachers[counted[:, row], row], weights[counted[:, row]]
        np.testing.assert_allclose(averages[0][row], np.average(some, axis=0, weights=given), rtol=1e-6)
        expected = softmax(np.average(np.log(some), axis=0, weights=given))
        np.testing.assert_allclose(averages[1][row], expected, rtol=1e-6)
        mean = np.average(some, axis=0, weights=given)
        np.testing.assert_allclose(
            variances[row], np.average((some - mean) ** 2, axis=0, weights=given).mean(), rtol=1e-5
        )
    np.testing.assert_array_equal(averages[0][2], teachers[0, 2].astype(np.float32))
