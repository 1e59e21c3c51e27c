import numpy as np
import pytest
from scipy.special import softmax
from scipy.stats import entropy

from mtdnn_tf.evaluation.fidelity import agreement, divergence, gain_kept
from mtdnn_tf.tasks.task import Task

NLI = Task("nli", "classification", ("a", "b"), ("x", "y", "z"), ("accuracy",))
SCORE = Task("score", "regression", ("a", "b"), metrics=("pearson",))
ANSWERS = Task("answers", "ranking", ("q", "a"), ("0", "1"), ("mrr",))


def test_classification_is_compared_by_label_and_by_distribution():
    random = np.random.default_rng(0)
    student, teacher = (softmax(random.normal(size=(50, 3)), axis=1) for _ in range(2))
    same = [list(s).index(max(s)) == list(t).index(max(t)) for s, t in zip(student, teacher)]
    assert agreement(NLI, student, teacher) == pytest.approx(sum(same) / 50)
    assert divergence(NLI, student, teacher) == pytest.approx(
        np.mean([entropy(t, s) for s, t in zip(student, teacher)])
    )
    assert divergence(NLI, teacher, teacher) == pytest.approx(0.0)


def test_regression_is_compared_by_correlation():
    student, teacher = np.array([[1.0], [2.0], [4.0]]), np.array([[1.5], [2.5], [2.0]])
    assert agreement(SCORE, student, teacher) == pytest.approx(np.corrcoef(student[:, 0], teacher[:, 0])[0, 1])
    assert agreement(SCORE, student, np.ones((3, 1))) is None
    assert divergence(SCORE, student, teacher) is None


def test_ranking_is_compared_by_list():
    queries = np.array([0, 1, 0, 1, 1])
    student = np.array([[0.6], [0.2], [0.4], [0.7], [0.1]])
    teacher = np.array([[0.9], [0.5], [0.1], [0.4], [0.1]])
    assert agreement(ANSWERS, student, teacher, queries) == 0.5
    expected = (entropy([0.9, 0.1], [0.6, 0.4]) + entropy([0.5, 0.4, 0.1], [0.2, 0.7, 0.1])) / 2
    assert divergence(ANSWERS, student, teacher, queries) == pytest.approx(expected)


def test_the_share_of_a_gain():
    assert gain_kept(0.5, 0.75, 0.625) == pytest.approx(0.5)
    assert gain_kept(0.5, 0.75, 0.375) == pytest.approx(-0.5)
    assert gain_kept(0.5, 0.5, 0.6) is None
    assert gain_kept(0.6, 0.5, 0.6) is None
