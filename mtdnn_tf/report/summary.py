"""Means and spreads over seeds."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from mtdnn_tf.evaluation.measures.statistics import Summary, summarise
from mtdnn_tf.json_files import finite
from mtdnn_tf.report.data import Model, Run, TaskInfo


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
    return summarise(run_score(run, task) for run in model.runs)


def metric_summary(model: Model, result_name: str, metric: str) -> Summary:
    """Returns one metric of a model over its seeds."""
    return summarise(run.metrics.get(result_name, {}).get(metric) for run in model.runs)


def average_summary(model: Model) -> Summary:
    """Returns a model's average over tasks, over its seeds."""
    return summarise(run.average for run in model.runs)
