from __future__ import annotations

import copy
import json
import math
import statistics
from typing import Any

import numpy as np
import pytest

from mtdnn_tf.errors import UserError
from mtdnn_tf.report.data import (
    Model,
    ReportData,
    Run,
    TaskInfo,
    average_summary,
    metric_summary,
    run_score,
    task_summary,
)
from tests.report.example_data import awkward_report, full_report


def _parsed(data: ReportData):
    # Strict JSON: no NaN.
    return json.loads(json.dumps(data.to_json(), allow_nan=False))


@pytest.mark.parametrize("data", [full_report(2), awkward_report(), ReportData("empty", (), ())], ids=lambda d: d.title)
def test_data_survive_json(data):
    stored = _parsed(data)
    assert _parsed(ReportData.from_json(stored)) == stored


def test_json_holds_the_fields_by_name_and_null_for_nan():
    stored = _parsed(awkward_report())
    assert stored["format"] == 2
    assert stored["models"][0]["runs"][0]["metrics"]["a_very_long_task_name_" * 6] == {"pearson": None}
    assert stored["fidelity"][1] == {
        "task": "a_very_long_task_name_" * 6,
        "agreement": [0.5],
        "kl": [None],
        "has_teacher": False,
        "gain_kept": None,
    }
    back = ReportData.from_json(stored)
    assert back.curves["_<i>first"][stored["tasks"][0]["name"]][0].score == 0.5
    assert back.reliability[0].bins[1].count == 3


def test_numbers_of_numpy_are_plain_numbers_in_json():
    seed: Any = np.int64(3)
    accuracy: Any = np.float32(0.5)
    has_teacher: Any = np.bool_(True)
    run = Run(seed, {"rte": {"accuracy": accuracy}}, float("nan"))
    task = TaskInfo("rte", "classification", ["accuracy"], has_teacher, ["rte"])
    stored = _parsed(ReportData("numpy", [Model("m", "student", [run])], [task]))
    assert stored["models"][0]["runs"][0] == {"seed": 3, "metrics": {"rte": {"accuracy": 0.5}}, "average": None}
    assert stored["tasks"][0]["has_teacher"] is True


@pytest.mark.parametrize(
    ("path", "value", "words"),
    [
        (("format",), 1, ["format must be 2", "got 1"]),
        (("title",), 7, ["r.json.title", "must be a string, got 7"]),
        (("titel",), "x", ["r.json", "unknown field 'titel'", "'title'"]),
        (("models",), {}, ["r.json.models", "must be a list"]),
        (("models", 0, "role"), "studnet", ["model single-task", "'studnet'", "multi-task"]),
        (("models", 1, "runs", 0, "seed"), 1.5, ["r.json.models[1].runs[0].seed", "integer", "1.5"]),
        (("models", 1, "runs", 0, "seed"), True, ["integer", "True"]),
        (("models", 1, "runs", 0, "average"), "0.5", ["r.json.models[1].runs[0].average", "finite number"]),
        (("models", 1, "runs", 0, "average"), math.inf, ["finite number", "inf"]),
        (("tasks", 0, "has_teacher"), 1, ["r.json.tasks[0].has_teacher", "true or false"]),
        (("curves", "multi-task", "rte", 0), [], ["r.json.curves.multi-task.rte[0]", "must be an object"]),
        (("models", 1, "name"), "single-task", ["duplicate model 'single-task'"]),
        (("cost", "rows", 0, "name"), None, ["r.json.cost.rows[0].name", "a string"]),
    ],
)
def test_what_is_no_report_is_refused_in_one_line(path, value, words):
    stored = copy.deepcopy(_parsed(full_report(1)))
    place = stored
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    with pytest.raises(UserError) as error:
        ReportData.from_json(stored, "r.json")
    assert all(word in str(error.value) for word in words), error.value
    assert "\n" not in str(error.value)


def test_a_missing_field_is_named():
    stored = _parsed(full_report(1))
    del stored["models"][0]["runs"]
    with pytest.raises(UserError, match=r"r\.json\.models\[0\]: field 'runs' is missing"):
        ReportData.from_json(stored, "r.json")
    with pytest.raises(UserError, match="not a report: format must be 2, got list"):
        ReportData.from_json([], "r.json")


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
