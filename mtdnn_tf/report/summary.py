"""Means and spreads over seeds."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from mtdnn_tf.report.data import Model, Run, TaskInfo


class Summary(NamedTuple):
    """Values of several seeds.

    Attributes:
        mean: Their mean; None if there are none.
        sd: Their standard deviation with n - 1; None for fewer than two.
        n: How many there are.
    """

    mean: float | None
    sd: float | None
    n: int


def finite(value: float | None) -> float | None:
    """Returns a value, or None for nan and infinity too."""
    return value if value is not None and math.isfinite(value) else None


def summarize(values: Iterable[float | None]) -> Summary:
    """Returns mean and spread of the values that are there."""
    known = [value for value in values if finite(value) is not None]
    if not known:
        return Summary(None, None, 0)
    array = np.asarray(known, np.float64)
    return Summary(float(array.mean()), float(array.std(ddof=1)) if len(known) > 1 else None, len(known))


def _mean(values: Iterable[float | None]) -> float | None:
    known = []
    for value in values:
        if finite(value) is None:
            return None
        known.append(value)
    return float(np.mean(np.asarray(known, np.float64))) if known else None


def run_score(run: Run, task: TaskInfo) -> float | None:
    """Returns a run's score on a task, the mean of its metrics and splits; None if one is missing."""
    return _mean(_mean(run.metrics.get(name, {}).get(metric) for metric in task.metrics) for name in task.result_names)


def task_summary(model: Model, task: TaskInfo) -> Summary:
    """Returns a model's score on a task over its seeds."""
    return summarize(run_score(run, task) for run in model.runs)


def metric_summary(model: Model, result_name: str, metric: str) -> Summary:
    """Returns one metric of a model over its seeds."""
    return summarize(run.metrics.get(result_name, {}).get(metric) for run in model.runs)


def average_summary(model: Model) -> Summary:
    """Returns a model's average over tasks, over its seeds."""
    return summarize(run.average for run in model.runs)
