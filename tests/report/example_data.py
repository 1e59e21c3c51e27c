"""Made-up reports."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from mtdnn_tf.report.data import (
    AVERAGE,
    Bin,
    Cost,
    CostRow,
    Difference,
    Fidelity,
    Model,
    Point,
    Reliability,
    ReportData,
    Run,
    TaskInfo,
)

_GLUE = (
    ("cola", "classification", ("matthews_correlation",), False, 0.42),
    ("sst2", "classification", ("accuracy",), False, 0.91),
    ("mrpc", "classification", ("accuracy", "f1"), False, 0.84),
    ("stsb", "regression", ("pearson", "spearman"), False, 0.86),
    ("qqp", "classification", ("accuracy", "f1"), True, 0.87),
    ("mnli", "classification", ("accuracy",), True, 0.79),
    ("qnli", "classification", ("accuracy",), True, 0.88),
    ("rte", "classification", ("accuracy",), True, 0.68),
    ("wnli", "classification", ("accuracy",), False, 0.56),
)
_MODELS = (
    ("single-task", "single-task", -0.025),
    ("multi-task", "multi-task", 0.0),
    ("teacher 1 (dropout 0.1)", "teacher", -0.004),
    ("ensemble of 3", "ensemble", 0.016),
    ("distilled student", "student", 0.011),
    ("distilled student + fine-tuning", "fine-tuned student", 0.015),
)


def task_info(name: str, kind: str, metrics: tuple[str, ...], has_teacher: bool) -> TaskInfo:
    results = ("mnli/validation_matched", "mnli/validation_mismatched") if name == "mnli" else (name,)
    return TaskInfo(name, kind, metrics, has_teacher, results)


def full_report(num_seeds: int = 5) -> ReportData:
    """Returns a report of nine tasks and six models in which everything is there; every number is made up."""
    random = np.random.default_rng(0)
    tasks = [task_info(*row[:4]) for row in _GLUE]
    level = {row[0]: row[4] for row in _GLUE}
    models = []
    for name, role, gain in _MODELS:
        runs = []
        for seed in range(1, num_seeds + 1):
            metrics = {
                result: {
                    metric: float(level[task.name] + gain * (1 + task.has_teacher) + random.normal(0, 0.008))
                    for metric in task.metrics
                }
                for task in tasks
                for result in task.result_names
            }
            scores = [np.mean([np.mean(list(metrics[r].values())) for r in task.result_names]) for task in tasks]
            runs.append(Run(seed, metrics, float(np.mean(scores))))
        models.append(Model(name, role, runs))
    pairs = ("distilled student - multi-task", "distilled student - single-task", "ensemble of 3 - multi-task")
    differences = []
    for i, label in enumerate(pairs):
        for task in (AVERAGE, *level):
            mean, half = float(random.normal(0.008 + 0.008 * i, 0.008)), float(abs(random.normal(0.009, 0.004)))
            p_value = 0.0001 if mean > 2 * half else 0.0625
            differences.append(Difference(label, task, mean, mean - half, mean + half, p_value, num_seeds))
    curves = {
        name: {
            task: [
                Point(epoch, float((level[task] + gain) * (1 - 0.4 * math.exp(-epoch)) + random.normal(0, 0.01)), seed)
                for epoch in (1, 2, 3, 4, 5)
                for seed in range(1, num_seeds + 1)
            ]
            for task in level
        }
        for name, _, gain in _MODELS
        if name in ("single-task", "multi-task", "distilled student")
    }
    reliability = [
        Reliability(
            model,
            task.name,
            _bins(random, over),
            *([mean - 0.01, mean + 0.01, mean] for mean in (0.3 + over, 0.2 + over / 2, over)),
        )
        for task in tasks
        if task.kind == "classification"
        for model, over in (("multi-task", 0.12), ("distilled student", 0.04), ("ensemble of 3", 0.06))
    ]
    fidelity = [
        Fidelity(task.name, [0.89 + 0.01 * i, 0.91 + 0.01 * i],
                 [None if task.kind == "regression" else 0.08 - 0.006 * i] * 2, task.has_teacher,
                 (0.7, None, 0.4, 3.5, 0.9, 0.65, 0.8, -0.5, None)[i])
        for i, task in enumerate(tasks)
    ]  # fmt: skip
    return ReportData(
        title="MT-DNN distillation on GLUE: made-up numbers",
        models=models,
        tasks=tasks,
        differences=differences,
        curves=curves,
        reliability=reliability,
        fidelity=fidelity,
        cost=Cost(
            [CostRow("ensemble of 3", 330e6, 67.5e9, 412.5, 20.25), CostRow("student", 110e6, 22.5e9, 137.5, 7.5)]
        ),
        flags="\n".join(
            ("--tasks=cola,sst2,mrpc,stsb,qqp,mnli,qnli,rte,wnli", "--dropouts=0.1,0.2,0.3", "--seeds=1,2,3,4,5",
             "--backbone=/a/folder/with/a/very/long/path/that/does/not/fit/into/a/phone/uncased_L-12_H-768_A-12")
        ),
        fingerprints={"data": "3f" * 32, "encoder": "a9" * 32},
        notes=["Every number in this report is made up.", "MNLI: partial set"],
        seconds={"teachers": 12345.6, "student": 3725.0, "evaluation": 59.94},
    )  # fmt: skip


def _bins(random: np.random.Generator, over: float) -> list[Bin]:
    bins = []
    for i in range(10):
        centre = (i + 0.5) / 10
        count = int(10 * math.exp(0.45 * i)) if i >= 4 else 0
        accuracy = min(1.0, max(0.0, centre - over + random.normal(0, 0.015)))
        bins.append(Bin(centre, accuracy, count) if count else Bin(None, None, 0))
    return bins


def awkward_report() -> ReportData:
    """Returns a report of names that break pages and figures, one seed, and values that are missing."""
    name = "<script>alert(\"x\")</script> & 'quotes' $\\bad$ _{"
    long = "a_very_long_task_name_" * 6
    tasks = [TaskInfo(name, "classification", ("accuracy", "f1"), True, (name,)),
             TaskInfo(long, "regression", ("pearson",), False, (long,))]  # fmt: skip
    metrics: Mapping[str, Mapping[str, float | None]] = {
        name: {"accuracy": 0.5, "f1": 0.25},
        long: {"pearson": math.nan},
    }
    missing: Mapping[str, Mapping[str, float | None]] = {name: {"accuracy": None, "f1": 0.5}, long: {"pearson": -0.5}}
    return ReportData(
        title="<b>& title",
        models=[
            Model("_<i>first", "multi-task", [Run(1, metrics, None)]),
            Model('"second" ' * 12, "student", [Run(1, missing, None)]),
            Model("no runs", "student", []),
        ],
        tasks=tasks,
        differences=[Difference("a < b & $c$", AVERAGE, math.nan, None, None, None, 0),
                     Difference("a < b & $c$", name, -0.01, math.nan, None, None, 1)],
        curves={"_<i>first": {name: [Point(1, 0.5, 1), Point(2, math.nan, 1)], long: []}, "not a model": {name: []}},
        reliability=[Reliability("unheard of", name, [Bin(None, None, 0), Bin(0.9, 0.5, 3)], [math.nan], [None], [0.4]),
                     Reliability("_<i>first", long, [Bin(None, None, 0)], [None], [None], [None])],
        fidelity=[Fidelity(name, [None], [0.1], True, -1234.5), Fidelity(long, [0.5], [math.inf], False, None)],
        cost=Cost([CostRow("<u>")]),
        flags="--name=<script>",
        fingerprints={"<data>": "&amp;"},
        notes=["</ul><script>"],
        seconds={"<stage>": 0.04},
    )  # fmt: skip
