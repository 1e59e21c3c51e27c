import numpy as np
import pytest

from mtdnn_tf.distillation.ensemble import average_predictions, to_logits
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
