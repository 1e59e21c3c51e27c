from __future__ import annotations

import math
import statistics

import pytest

from mtdnn_tf.report.data import Model, Run, TaskInfo
from mtdnn_tf.report.summary import average_summary, metric_summary, run_score, task_summary

_MNLI = TaskInfo("mnli", "classification", ["accuracy", "f1"], True, ["mnli/m", "mnli/mm"])


def _run(seed, *values):
    a, b, c, d = values
    return Run(seed, {"mnli/m": {"accuracy": a, "f1": b}, "mnli/mm": {"accuracy": c, "f1": d}}, a)


def test_a_score_is_the_mean_over_metrics_and_splits():
    runs = [_run(1, 0.5, 0.7, 0.9, 0.3), _run(2, 0.1, 0.2, 0.3, 0.8)]
    assert run_score(runs[0], _MNLI) == pytest.approx(0.6)
    summary = task_summary(Model("m", "student", runs), _MNLI)
    assert summary == pytest.approx((0.475, statistics.stdev([0.6, 0.35]), 2))
    assert metric_summary(Model("m", "student", runs), "mnli/mm", "f1") == pytest.approx(
        (0.55, statistics.stdev([0.3, 0.8]), 2)
    )
    assert average_summary(Model("m", "student", runs)).mean == pytest.approx(0.3)


@pytest.mark.parametrize("missing", [None, math.nan, math.inf])
def test_a_missing_value_makes_a_score_missing_and_its_seed_does_not_count(missing):
    runs = [_run(1, 0.5, 0.7, 0.9, 0.3), _run(2, 0.1, missing, 0.3, 0.8), Run(3, {}, missing)]
    assert run_score(runs[1], _MNLI) is None
    assert run_score(runs[2], _MNLI) is None
    summary = task_summary(Model("m", "student", runs), _MNLI)
    assert (summary.deviation, summary.n) == (None, 1)
    assert average_summary(Model("m", "student", runs)).n == 2
