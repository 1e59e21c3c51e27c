import numpy as np
import pytest
from scipy.optimize import check_grad
from scipy.special import softmax
from scipy.stats import gmean
from sklearn.metrics import log_loss, mean_squared_error

from mtdnn_tf.distillation.ensemble import (
    average_logits,
    average_predictions,
    ensemble_loss,
    fit_weights,
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


GRID = [np.array([a, b, 100 - a - b]) / 100 for a in range(101) for b in range(101 - a)]


def _classification(seed=0):
    """Returns three teachers, two of them alike in their errors, and gold labels, one of them absent."""
    generator = np.random.default_rng(seed)
    labels = generator.integers(0, 3, 301)
    noise = generator.normal(scale=2, size=(3, 301, 3))
    noise[1] = 0.9 * noise[0] + 0.3 * noise[1]
    teachers = [softmax(scale * np.eye(3)[labels] + part, axis=-1) for scale, part in zip((3, 1, 2), noise)]
    labels[7] = -1
    return teachers, labels


@pytest.mark.parametrize("average", ["probabilities", "logits"])
def test_fitted_weights_are_the_best_of_a_grid(average):
    teachers, labels = _classification()
    weights = fit_weights(KINDS["classification"].labelled_predictions(teachers, labels), average)
    rows = labels >= 0

    def loss(given):
        if average == "logits":
            mean = softmax(np.tensordot(given, np.log(teachers), 1), axis=-1)
        else:
            mean = np.tensordot(given, teachers, 1)
        return log_loss(labels[rows], mean[rows], labels=[0, 1, 2])

    best = min(GRID, key=loss)
    assert np.abs(weights - best).max() < 0.02
    assert weights.min() > 0.99e-6 and weights.sum() == pytest.approx(1.0)
    assert loss(weights) <= loss(best) + 1e-9
    assert loss(weights) < loss(np.full(3, 1 / 3)) - 1e-3
    labelled = KINDS["classification"].labelled_predictions(teachers, labels)
    assert ensemble_loss(labelled, np.array([0.2, 0.5, 0.3]), average)[0] == pytest.approx(loss([0.2, 0.5, 0.3]))
    np.testing.assert_array_equal(weights, fit_weights(labelled, average))


def test_scores_are_fitted_by_squared_error():
    generator = np.random.default_rng(0)
    gold = generator.uniform(0, 5, 200)
    teachers = [(gold + generator.normal(scale=scale, size=200))[:, None] for scale in (0.5, 1.0, 3.0)]
    gold[3] = np.nan
    rows = np.arange(200) != 3
    weights = fit_weights(KINDS["regression"].labelled_predictions(teachers, gold))

    def loss(given):
        return mean_squared_error(gold[rows], np.tensordot(given, teachers, 1)[rows, 0])

    best = min(GRID, key=loss)
    assert np.abs(weights - best).max() < 0.02 and loss(weights) <= loss(best) + 1e-9
    # By the errors' variances alone: 4 : 1 : 1/9.
    assert weights[0] > 3 * weights[1] > 3 * weights[2]


@pytest.mark.parametrize("average", ["probabilities", "logits"])
def test_rankings_are_fitted_over_their_lists(average):
    generator = np.random.default_rng(0)
    queries = generator.permutation(np.repeat(np.arange(60), [1, 2, 3, 5, 7, 12] * 10))
    relevant = np.array([generator.random() < 0.4 for _ in queries]).astype(int)
    relevant[queries == 4] = 0
    scores = np.stack([scale * relevant + generator.normal(scale=1.5, size=len(queries)) for scale in (2, 0, 1)])
    lists = [np.flatnonzero(queries == query) for query in range(60)]
    teachers = np.zeros((3, len(queries), 1))
    for rows in lists:
        teachers[:, rows, 0] = softmax(scores[:, rows], axis=-1)

    def loss(given):
        losses = []
        for rows in lists:
            if average == "logits":
                mean = softmax(np.asarray(given) @ scores[:, rows])
            else:
                mean = np.asarray(given) @ teachers[:, rows, 0]
            if relevant[rows].any():
                losses.append(-np.log(mean[relevant[rows] == 1]).mean())
        return np.mean(losses)

    labelled = KINDS["ranking"].labelled_predictions(list(teachers), relevant, queries)
    assert ensemble_loss(labelled, np.array([0.2, 0.5, 0.3]), average)[0] == pytest.approx(loss([0.2, 0.5, 0.3]))
    weights = fit_weights(labelled, average)
    best = min(GRID[::7], key=loss)
    assert loss(weights) <= loss(best) + 1e-9 and np.abs(weights - best).max() < 0.08
    assert KINDS["ranking"].labelled(relevant, queries).sum() == sum(
        len(rows) for rows in lists if relevant[rows].any()
    )


@pytest.mark.parametrize("average", ["probabilities", "logits"])
def test_gradients_are_those_of_finite_differences(average):
    labelled = KINDS["classification"].labelled_predictions(*_classification(1))
    for weights in (np.array([0.2, 0.5, 0.3]), np.array([0.9, 0.05, 0.05])):
        error = check_grad(
            lambda w: ensemble_loss(labelled, w, average)[0], lambda w: ensemble_loss(labelled, w, average)[1], weights
        )
        assert error < 1e-6


def test_teachers_that_are_alike_keep_equal_weights():
    teachers, labels = _classification()
    weights = fit_weights(KINDS["classification"].labelled_predictions([teachers[0]] * 4, labels))
    np.testing.assert_allclose(weights, 0.25, atol=1e-6)
    assert fit_weights(KINDS["classification"].labelled_predictions(teachers[:1], labels)).tolist() == [1.0]
