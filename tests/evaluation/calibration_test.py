import math

import numpy as np
import pytest
from sklearn.metrics import log_loss

from mtdnn_tf.evaluation.calibration import calibration


def _plain_ece(probabilities, gold):
    """Returns the bins and their error by loops."""
    members: list[list[tuple[float, bool]]] = [[] for _ in range(10)]
    for row, label in zip(probabilities, gold):
        confidence = max(row)
        number = next(n for n in range(10) if confidence <= (n + 1) / 10)
        members[number].append((confidence, list(row).index(confidence) == label))
    error = 0.0
    for bin_members in members:
        if bin_members:
            confidences, rights = zip(*bin_members)
            error += abs(np.mean(rights) - np.mean(confidences)) * len(rights) / len(gold)
    return error, [len(bin_members) for bin_members in members]


@pytest.mark.parametrize("labels", [2, 3, 5])
def test_scores_are_those_of_loops_and_scikit_learn(labels):
    random = np.random.default_rng(labels)
    probabilities = random.dirichlet(np.ones(labels), 300)
    gold = random.integers(0, labels, 300)
    result = calibration(probabilities, gold)
    assert result is not None
    assert result.nll == pytest.approx(log_loss(gold, probabilities, labels=range(labels)))
    brier = np.mean(
        [sum((p - (index == label)) ** 2 for index, p in enumerate(row)) for row, label in zip(probabilities, gold)]
    )
    assert result.brier == pytest.approx(brier)
    error, counts = _plain_ece(probabilities, gold)
    assert result.ece == pytest.approx(error)
    assert [b.count for b in result.bins] == counts
    assert all((b.accuracy is None) == (b.count == 0) == (b.confidence is None) for b in result.bins)


def test_by_hand():
    result = calibration(np.array([[1.0, 0.0], [0.6, 0.4], [0.0, 1.0], [0.5, 0.5]]), np.array([0, 1, 1, -1]))
    assert result is not None
    assert result.nll == pytest.approx(-math.log(0.4) / 3)
    assert result.brier == pytest.approx(0.72 / 3)
    assert result.ece == pytest.approx(0.6 / 3)
    assert [b.count for b in result.bins] == [0, 0, 0, 0, 0, 1, 0, 0, 0, 2]


def test_probability_0_of_what_is_true_is_finite_and_no_gold_is_none():
    result = calibration(np.array([[0.0, 1.0]]), np.array([0]))
    assert result is not None
    assert math.isfinite(result.nll)
    assert calibration(np.array([[0.5, 0.5]]), np.array([-1])) is None
