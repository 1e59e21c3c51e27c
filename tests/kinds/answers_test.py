import numpy as np
import pytest

from mtdnn_tf.kinds.answers import smoothed_labels, smoothed_votes, top_probabilities


@pytest.mark.parametrize("smoothing", [0.5, 1.0, 3.0])
def test_votes_become_the_mean_of_their_dirichlet_posterior(smoothing):
    votes = np.array([[5.0, 0.0, 0.0], [1.0, 2.0, 2.0]])
    smoothed = smoothed_votes(votes, votes.sum(axis=1), 3, smoothing)
    draws = np.random.default_rng(0).dirichlet(votes[0] + smoothing, size=200_000)
    np.testing.assert_allclose(smoothed[0], draws.mean(axis=0), atol=2e-3)
    np.testing.assert_allclose(smoothed[1], (votes[1] + smoothing) / (5 + 3 * smoothing))
    np.testing.assert_allclose(smoothed.sum(axis=1), 1.0)


def test_a_label_leaves_its_smoothing_to_the_others():
    smoothed = smoothed_labels(np.array([[True, False, False]]), 3, 0.1)
    np.testing.assert_allclose(smoothed, [[0.9, 0.05, 0.05]])


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        # All labels are known: what is missing from 1 went to other texts.
        ([0.6, 0.2, 0.1, 0.05], [0.6 / 0.95, 0.2 / 0.95, 0.1 / 0.95, 0.05 / 0.95]),
        # 0.1 is shared by two labels.
        ([0.6, 0.3, None, None], [0.6, 0.3, 0.05, 0.05]),
        # A label that is not among the top ones is no more probable than these.
        ([0.5, 0.1, None, None], [0.5 / 0.8, 0.1 / 0.8, 0.1 / 0.8, 0.1 / 0.8]),
        ([None, 1.0, None, None], [0.0, 1.0, 0.0, 0.0]),
    ],
)
def test_top_probabilities_are_completed(given, expected):
    logs = np.log([[np.nan if probability is None else probability for probability in given]])
    np.testing.assert_allclose(top_probabilities(logs), [expected], atol=1e-12)
