import math

import numpy as np
import pytest
from scipy.special import softmax
from scipy.stats import entropy

from mtdnn_tf.evaluation.measures.fidelity import fidelity, gain_kept, grouped_gains
from mtdnn_tf.json_files import to_json
from mtdnn_tf.tasks.task import Task

NLI = Task("nli", "classification", ("a", "b"), ("x", "y", "z"), ("accuracy",))
SCORE = Task("score", "regression", ("a", "b"), metrics=("pearson",))
ANSWERS = Task("answers", "ranking", ("q", "a"), ("0", "1"), ("mrr",))


def test_classification_is_compared_by_label_and_by_distribution():
    random = np.random.default_rng(0)
    student, teacher = (softmax(random.normal(size=(50, 3)), axis=1).astype(np.float32) for _ in range(2))
    same = [list(s).index(max(s)) == list(t).index(max(t)) for s, t in zip(student, teacher)]
    expected = np.mean([entropy(t, s) for s, t in zip(student, teacher)])
    assert 0 < sum(same) < 50
    assert fidelity(NLI, student, teacher).agreement == pytest.approx(sum(same) / 50)
    assert fidelity(NLI, student, teacher).divergence == pytest.approx(expected, rel=1e-5)
    assert fidelity(NLI, teacher, student).divergence != pytest.approx(expected, rel=1e-3)
    assert fidelity(NLI, student, teacher) == pytest.approx((sum(same) / 50, expected, None, 50), rel=1e-5)
    itself = fidelity(NLI, teacher, teacher).divergence
    assert itself is not None
    assert 0.0 <= itself < 1e-12


def test_what_the_teacher_excludes_costs_nothing_and_what_the_student_excludes_is_finite():
    certain, split = np.array([[1.0, 0.0, 0.0]]), np.array([[0.5, 0.5, 0.0]])
    assert fidelity(NLI, split, certain).divergence == pytest.approx(math.log(2))
    assert fidelity(NLI, certain, split).divergence == pytest.approx(0.5 * math.log(0.5) + 0.5 * math.log(0.5e30))


def test_regression_is_compared_by_correlation_and_distance():
    student, teacher = np.array([[1.0], [2.0], [4.0]], np.float32), np.array([[1.5], [2.5], [2.0]], np.float32)
    correlation = np.corrcoef(student[:, 0], teacher[:, 0])[0, 1]
    assert fidelity(SCORE, student, teacher).agreement == pytest.approx(correlation)
    assert fidelity(SCORE, student, teacher).mean_absolute_difference == pytest.approx((0.5 + 0.5 + 2.0) / 3)
    assert fidelity(SCORE, student, teacher)._asdict() == {
        "agreement": pytest.approx(correlation),
        "divergence": None,
        "mean_absolute_difference": 1.0,
        "n": 3,
    }
    assert fidelity(SCORE, student, np.ones((3, 1))).agreement is None


def test_ranking_is_compared_by_list():
    # Query 1 of 0 to 2 has no candidate in these rows.
    queries = np.array([0, 2, 0, 2, 2])
    student = np.array([[0.6], [0.2], [0.4], [0.7], [0.1]])
    teacher = np.array([[0.9], [0.5], [0.1], [0.4], [0.1]])
    expected = (entropy([0.9, 0.1], [0.6, 0.4]) + entropy([0.5, 0.4, 0.1], [0.2, 0.7, 0.1])) / 2
    assert fidelity(ANSWERS, student, teacher, queries) == pytest.approx((0.5, expected, None, 2))


def test_predictions_of_other_rows_are_refused():
    with pytest.raises(ValueError, match=r"finite predictions \[2, 3\], got \[3, 3\]"):
        fidelity(NLI, np.ones((2, 3)), np.ones((3, 3)))
    with pytest.raises(ValueError, match=r"\[1, 3\], got \[0, 3\]"):
        fidelity(NLI, np.ones((0, 3)), np.ones((0, 3)))
    with pytest.raises(ValueError, match="must have the query of each row"):
        fidelity(ANSWERS, np.ones((2, 1)), np.ones((2, 1)))
    with pytest.raises(ValueError, match="must have the query of each row"):
        fidelity(NLI, np.ones((2, 3)), np.ones((2, 3)), np.zeros(2, int))


def test_the_share_of_a_gain():
    assert gain_kept(0.5, 0.75, 0.625) == pytest.approx(0.5)
    assert gain_kept(0.5, 0.75, 0.375) == pytest.approx(-0.5)
    assert gain_kept(0.5, 0.75, 0.8) == pytest.approx(1.2)
    assert gain_kept(0.5, 0.5, 0.6) is None
    assert gain_kept(0.6, 0.5, 0.6) is None
    assert gain_kept(math.nan, 0.5, 0.6) is None


def test_gains_are_grouped_by_whether_there_was_a_teacher():
    baseline = {"a": 0.50, "b": 0.60, "c": 0.70, "alone": 0.1}
    ensemble = {"a": 0.70, "b": 0.60, "c": 0.65}
    student = {"a": 0.60, "b": 0.70, "c": 0.80}
    groups = grouped_gains(baseline, ensemble, student, with_teacher={"a", "b"})
    assert list(groups) == ["with", "without", "all"]
    # (0.65 - 0.55) / (0.65 - 0.55): a task whose ensemble gains nothing has no share of its own, but counts here.
    assert groups["with"].tasks == ("a", "b")
    assert groups["with"][1:] == pytest.approx((0.55, 0.65, 0.65, 1.0))
    assert to_json(groups["without"]) == {
        "tasks": ["c"],
        "baseline": 0.7,
        "ensemble": 0.65,
        "student": 0.8,
        "kept": None,
    }
    assert groups["all"][1:] == pytest.approx((0.6, 0.65, 0.7, 2.0))


def test_a_group_that_no_ensemble_answers_has_no_share():
    groups = grouped_gains({"a": 0.5, "b": 0.5}, {"a": 0.6}, {"a": 0.6, "b": 0.7}, with_teacher={"a"})
    assert groups["without"] == (("b",), 0.5, None, 0.7, None)
    assert groups["all"].kept is None
    assert "without" not in grouped_gains({"a": 0.5}, {"a": 0.6}, {"a": 0.6}, {"a"})
