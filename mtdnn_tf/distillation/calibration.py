"""Calibration of a teacher's probabilities on labelled rows: temperature scaling and vector scaling.

Both minimize the negative log-likelihood of the gold labels (Guo et al. 2017, arXiv 1706.04599 sec. 4.2).
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from scipy.optimize import minimize, minimize_scalar
from scipy.special import log_softmax

from mtdnn_tf.distillation.table_options import VECTOR
from mtdnn_tf.errors import UserError
from mtdnn_tf.kinds.base import Kind
from mtdnn_tf.kinds.values import Queries
from mtdnn_tf.tasks.task import Task

# Where all answers are right, the likelihood has no maximum.
_TEMPERATURES = (0.01, 100.0)
_LARGEST = 100.0
# As a rule of thumb, ten rows per fitted number, or per label.
_FEWEST_ROWS = 10


class Scaling(NamedTuple):
    """What logits are multiplied by, and what is then added, each one number or one per label."""

    scales: np.ndarray
    shifts: np.ndarray

    def apply(self, kind: Kind, predictions: np.ndarray, queries: Queries = None) -> np.ndarray:
        """Returns the calibrated probabilities, float64 [rows, num_outputs], 1e-6 or more."""
        logits = kind.to_logits(predictions) * self.scales + self.shifts
        return kind.with_floor(kind.from_logits(logits, queries), queries)

    def to_json(self, task: Task) -> dict[str, object]:
        """Returns the fitted numbers as JSON values: the temperature, or scales and shifts by label."""
        if self.scales.ndim == 0:
            return {"temperature": 1.0 / float(self.scales)}
        return {name: dict(zip(task.labels, map(float, getattr(self, name)))) for name in ("scales", "shifts")}


def fit_scaling(
    calibration: str, kind: Kind, predictions: np.ndarray, labels: np.ndarray, queries: Queries = None
) -> Scaling:
    """Returns the scaling of the smallest negative log-likelihood.

    Args:
        calibration: "temperature" or "vector".
        kind: Kind of the task.
        predictions: Probabilities of rows that have gold labels, float [rows, num_outputs].
        labels: Their gold labels, as `Kind.label_array` returns them.
        queries: For a ranking, the number of each row's query, from 0, int [rows].
    """
    if calibration == VECTOR:
        return _fit_vector(kind.to_logits(predictions), labels)
    return _fit_temperature(kind, predictions, labels, queries)


def _fit_temperature(kind: Kind, predictions: np.ndarray, labels: np.ndarray, queries: Queries) -> Scaling:
    logits = kind.to_logits(predictions)

    def loss(log_temperature: float) -> float:
        found = kind.confidences(kind.from_logits(logits / math.exp(log_temperature), queries), labels, queries)
        assert found is not None
        return found.nll

    bounds = [math.log(temperature) for temperature in _TEMPERATURES]
    found = minimize_scalar(loss, bounds=bounds, method="bounded", options={"xatol": 1e-8})
    return Scaling(np.asarray(math.exp(-found.x)), np.zeros(()))


def _fit_vector(logits: np.ndarray, labels: np.ndarray) -> Scaling:
    rows, num_labels = logits.shape
    gold = np.eye(num_labels)[labels]

    def loss(numbers: np.ndarray) -> tuple[float, np.ndarray]:
        scales, shifts = numbers.reshape(2, num_labels)
        logs = log_softmax(logits * scales + shifts, axis=1)
        error = (np.exp(logs) - gold) / rows
        return -float((gold * logs).sum()) / rows, np.concatenate([(error * logits).sum(axis=0), error.sum(axis=0)])

    found = minimize(
        loss,
        np.repeat([1.0, 0.0], num_labels),
        jac=True,
        method="L-BFGS-B",
        bounds=[(-_LARGEST, _LARGEST)] * (2 * num_labels),
        options={"ftol": 1e-12, "gtol": 1e-8, "maxiter": 5000},
    )
    return Scaling(*found.x.reshape(2, num_labels))


def check_calibration(task: Task, calibration: str, split: str, labels: np.ndarray, queries: Queries = None) -> None:
    """Refuses to calibrate on a split: a task with scores, too few rows with gold labels, or a label without rows."""
    kind, where = task.kind_object, f"`calibrate_on={split}`: task {task.name}"
    if kind.predicts_scores or (calibration == VECTOR and not kind.has_one_label):
        accepted = "classification" if calibration == VECTOR else "a kind with probabilities"
        raise UserError(f"{where} must be of {accepted} for `calibration={calibration}`, got {task.kind}")
    labelled = kind.labelled(labels, queries)
    needed = _FEWEST_ROWS * (len(task.labels) if calibration == VECTOR else 1)
    if labelled.sum() < needed:
        raise UserError(
            f"{where} must have {needed} labelled rows or more for `calibration={calibration}`, got {labelled.sum()}"
        )
    absent = kind.absent_labels(task, labels[labelled])
    if absent:
        raise UserError(f"{where} must have a row of each label, got none of {', '.join(map(repr, absent))}")
