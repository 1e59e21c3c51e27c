"""Temperature and vector scaling against a grid, scikit-learn and the condition of a minimum."""

import numpy as np
import pytest
from scipy.special import log_softmax, softmax
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss

from mtdnn_tf.distillation.calibration import Scaling, check_calibration, fit_scaling
from mtdnn_tf.errors import UserError
from mtdnn_tf.tasks.task import Task

TWO = Task("two", "classification", ("text",), ("bad", "good"), ("accuracy",))
THREE = Task("three", "classification", ("text",), ("a", "b", "c"), ("accuracy",))
SETS = Task("sets", "multi_label", ("text",), ("a", "b", "c"), ("f1_micro",))
SCORE = Task("score", "regression", ("text",), metrics=("pearson",))


def _made_up(num_labels, rows=400, sharpness=3.0):
    """Returns over-confident probabilities, and labels that are drawn from calmer ones."""
    generator = np.random.default_rng(num_labels)
    logits = generator.normal(size=(rows, num_labels))
    labels = np.array([generator.choice(num_labels, p=row) for row in softmax(logits, axis=1)])
    return softmax(sharpness * logits, axis=1), labels


@pytest.mark.parametrize("task", [TWO, THREE], ids=lambda task: task.name)
def test_the_temperature_is_that_of_a_grid(task):
    probabilities, labels = _made_up(len(task.labels))
    scaling = fit_scaling("temperature", task.kind_object, probabilities, labels)
    grid = np.linspace(1, 6, 5001)
    logs = np.log(probabilities)
    losses = [-log_softmax(logs / t, axis=1)[np.arange(len(labels)), labels].mean() for t in grid]
    assert scaling.to_json(task)["temperature"] == pytest.approx(grid[np.argmin(losses)], abs=2e-3)
    calibrated = scaling.apply(task.kind_object, probabilities)
    assert log_loss(labels, calibrated) == pytest.approx(min(losses), abs=1e-6)
    assert (calibrated.argmax(axis=1) == probabilities.argmax(axis=1)).all()


def test_vector_scaling_of_two_labels_is_a_logistic_regression():
    probabilities, labels = _made_up(2)
    scaling = fit_scaling("vector", TWO.kind_object, probabilities, labels)
    logs = np.log(probabilities)
    model = LogisticRegression(penalty=None, tol=1e-10, max_iter=10_000).fit(logs, labels)
    found = scaling.apply(TWO.kind_object, probabilities)
    np.testing.assert_allclose(found, model.predict_proba(logs), atol=1e-4)
    assert set(scaling.to_json(TWO)) == {"scales", "shifts"}


def test_no_step_improves_vector_scaling_of_three_labels():
    probabilities, labels = _made_up(3)
    scaling = fit_scaling("vector", THREE.kind_object, probabilities, labels)
    best = log_loss(labels, scaling.apply(THREE.kind_object, probabilities))
    temperature = fit_scaling("temperature", THREE.kind_object, probabilities, labels)
    assert best <= log_loss(labels, temperature.apply(THREE.kind_object, probabilities)) + 1e-9
    for step in np.random.default_rng(0).normal(scale=1e-2, size=(20, 2, 3)):
        moved = Scaling(scaling.scales + step[0], scaling.shifts + step[1])
        assert log_loss(labels, moved.apply(THREE.kind_object, probabilities)) >= best - 1e-9


def test_labels_of_several_share_a_temperature():
    generator = np.random.default_rng(0)
    calm = generator.uniform(0.05, 0.95, size=(500, 3))
    labels = (generator.uniform(size=calm.shape) < calm).astype(np.int32)
    logits = 2.5 * np.log(calm / (1 - calm))
    found = fit_scaling("temperature", SETS.kind_object, 1 / (1 + np.exp(-logits)), labels).to_json(SETS)
    assert found["temperature"] == pytest.approx(2.5, rel=0.15)


def test_answers_that_are_all_right_stay_above_0():
    labels = np.arange(30) % 3
    probabilities = np.eye(3)[labels] * 0.7 + 0.1
    for calibration in ("temperature", "vector"):
        scaling = fit_scaling(calibration, THREE.kind_object, probabilities, labels)
        calibrated = scaling.apply(THREE.kind_object, probabilities)
        assert np.isfinite(calibrated).all() and calibrated.min() > 9e-7


@pytest.mark.parametrize(
    ("task", "calibration", "labels", "message"),
    [
        (SCORE, "temperature", np.ones(50), "must be of a kind with probabilities .* got regression"),
        (SETS, "vector", np.ones((50, 3)), "must be of classification .* got multi_label"),
        (THREE, "temperature", np.arange(9) % 3, "must have 10 labelled rows or more .* got 9"),
        (THREE, "vector", np.arange(29) % 3, "must have 30 labelled rows or more .* got 29"),
        (THREE, "temperature", np.full(12, -1), "must have 10 labelled rows or more .* got 0"),
        (THREE, "temperature", np.arange(20) % 2, "must have a row of each label, got none of 'c'"),
    ],
)
def test_what_cannot_be_calibrated_is_refused(task, calibration, labels, message):
    with pytest.raises(UserError, match=f"`calibrate_on=dev`: task {task.name} {message}"):
        check_calibration(task, calibration, "dev", labels)
