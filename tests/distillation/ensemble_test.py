import numpy as np
import pytest

from mtdnn_tf.distillation.ensemble import (
    average_predictions,
    prediction_variance,
    to_logits,
    variance_weights,
)
from mtdnn_tf.errors import UserError

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
    logits = to_logits(probabilities)
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
