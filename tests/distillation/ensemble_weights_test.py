import numpy as np
import pytest
from scipy.optimize import check_grad
from scipy.special import softmax
from sklearn.metrics import log_loss, mean_squared_error

from mtdnn_tf.distillation.ensemble_weights import ensemble_loss, fit_weights
from mtdnn_tf.kinds.registry import KINDS

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
