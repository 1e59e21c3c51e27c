"""The report of the study: tables as Markdown, and figures."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from benchmarks.evidence.comparisons import (
    ANNEALED,
    PRIMARY,
    SECONDARY,
    SMALL,
    STUDENT,
    TRANSFER,
    Study,
    holm,
    score,
)
from benchmarks.evidence.splits import OTHER_DOMAIN, TEST
from benchmarks.evidence.trainings import (
    ADAPTATION,
    ENSEMBLE,
    FINE_TUNED,
    MULTI_TASK,
    PLAIN,
    SINGLE_TASK,
    SINGLE_TASK_EQUAL_STEPS,
)
from mtdnn_tf.evaluation.measures.statistics import PairedDifference, summarise
from mtdnn_tf.files import new_file
from mtdnn_tf.report import roles
from mtdnn_tf.report.data import AVERAGE, Difference, Model, ReportData, Run, TaskInfo
from mtdnn_tf.report.figures import difference_figure, score_figure
from mtdnn_tf.report.plotting import Style, to_png
from mtdnn_tf.text_tables import markdown_table

NAMES = {
    SINGLE_TASK: "single-task, equal epochs",
    SINGLE_TASK_EQUAL_STEPS: "single-task, equal steps",
    MULTI_TASK: "multi-task",
    f"{MULTI_TASK}{FINE_TUNED}": "multi-task, fine-tuned",
    ENSEMBLE: "ensemble",
    STUDENT: "student, weight 0.5",
    ANNEALED: "student, annealed",
    TRANSFER: "student, unlabelled rows",
    f"{STUDENT}{FINE_TUNED}": "student, fine-tuned",
    SMALL: "student, unlabelled rows, 3 layers",
}
_DRAWN = {
    SINGLE_TASK: roles.SINGLE_TASK,
    MULTI_TASK: roles.MULTI_TASK,
    ENSEMBLE: roles.ENSEMBLE,
    STUDENT: roles.STUDENT,
    TRANSFER: roles.STUDENT,
}
# Measures and their factors in tables.
_CALIBRATION = (("ece", 100), ("nll", 1), ("brier", 1))
_SCORES, _DIFFERENCES = "evidence_scores.png", "evidence_differences.png"


def report(study: Study, pilot: Mapping[str, Any] | None) -> str:
    """Returns all tables of the study as Markdown.

    Args:
        study: The results.
        pilot: The development scores of the pilot, if they are there.
    """
    sections = {
        "Differences": _differences(study),
        "The ensemble's gain": _gains(study),
        "Test scores x 100": _scores(study),
        "Calibration, agreement and spread": _reliability(study),
        "The other domain": _other_domain(study),
        "Price": _prices(study),
        "Adaptation": _adaptation(study),
    }
    if pilot is not None:
        sections["Pilot, development scores x 100"] = _pilot(pilot)
    return "\n".join(f"## {title}\n{table}" for title, table in sections.items())


def write_figures(study: Study, folder: Path) -> list[Path]:
    """Writes the bars of scores (Figure 3 of 1904.09482) and the forest plot of differences; returns the files."""
    tasks = study.plan.tasks
    models = [
        Model(
            NAMES[arm],
            role,
            [
                Run(
                    seed,
                    {task: results[task, TEST]["metrics"] for task in study.plan.trained_tasks},
                    statistics.fmean(score(results[task, TEST]) for task in study.plan.trained_tasks),
                )
                for seed, results in study.models[arm].items()
            ],
        )
        for arm, role in _DRAWN.items()
    ]
    metrics = next(iter(study.models[MULTI_TASK].values()))
    infos = [
        TaskInfo(task, "", list(metrics[task, TEST]["metrics"]), task in tasks["with_teacher"], [task])
        for task in study.plan.trained_tasks
    ]
    differences = []
    for first, second in (*PRIMARY, *SECONDARY):
        for group, names in study.task_groups().items():
            found = study.difference(first, second, names).by_seed
            label = f"{NAMES[first]} - {NAMES[second]}"
            differences.append(Difference(label, group, found.mean, found.low, found.high, found.p_value, found.n))
    data = ReportData(title="evidence", models=models, tasks=infos, differences=differences)
    style, paths = Style(), []
    for name, figure in ((_SCORES, score_figure(data, style)), (_DIFFERENCES, difference_figure(data, style))):
        assert figure is not None
        with new_file(folder / name) as temporary:
            temporary.write_bytes(to_png(figure, style))
        paths.append(folder / name)
    return paths


def _differences(study: Study) -> str:
    rows = [("difference", "tasks", "mean", "95 % interval", "by ensembles", "p", "p, Holm", "n", "supported")]
    primary = [study.difference(*pair, study.plan.trained_tasks) for pair in PRIMARY]
    adjusted = dict(zip(PRIMARY, holm([found.by_seed.p_value for found in primary])))
    for pair in (*PRIMARY, *SECONDARY):
        for group, tasks in study.task_groups().items():
            found = study.difference(*pair, tasks)
            p, by_seed = adjusted.get(pair) if group == "average" else None, found.by_seed
            corrected = ("", "") if p is None else (f"{p:.4f}", found.support(p))
            label = f"{NAMES[pair[0]]} minus {NAMES[pair[1]]}"
            numbers = _points(by_seed.mean), _interval(by_seed), _interval(found.by_ensemble), f"{by_seed.p_value:.4f}"
            rows.append((label, group, *numbers, corrected[0], str(by_seed.n), corrected[1]))
    return markdown_table(rows, num_text_columns=2)


def _gains(study: Study) -> str:
    """Returns what ensembles gain over their members, and the share that students keep."""
    rows = [("tasks", "ensemble minus its members' mean", "student", "gain over multi-task", "share kept", "interval")]
    for group, tasks in study.task_groups().items():
        gain = statistics.fmean(study.ensemble_gains(tasks))
        for arm in (STUDENT, ANNEALED, TRANSFER, SMALL):
            found = study.difference(arm, MULTI_TASK, tasks).by_seed
            share, low, high = (f"{value / gain:.2f}" for value in (found.mean, found.low, found.high))
            rows.append((group, _points(gain), NAMES[arm], _points(found.mean), share, f"{low} to {high}"))
    return markdown_table(rows, num_text_columns=1)


def _scores(study: Study) -> str:
    tasks = study.plan.trained_tasks
    rows = [("model", *tasks, *study.task_groups(), "n")]
    for arm, name in NAMES.items():
        columns = [[task] for task in tasks] + [list(group) for group in study.task_groups().values()]
        cells = [_mean(study.scores(arm, column).values()) for column in columns]
        rows.append((name, *cells, str(len(study.models[arm]))))
    return markdown_table(rows)


def _reliability(study: Study) -> str:
    rows: list[tuple[str, ...]] = [
        ("model", "ECE x 100", "NLL", "Brier", "agreement with the ensemble x 100", "sd of the average x 100", "n")
    ]
    for arm, name in NAMES.items():
        fits = [_mean(study.measures(arm, measure), factor) for measure, factor in _CALIBRATION]
        agreements = [
            [results[task, TEST]["agreement"] for task in study.plan.trained_tasks]
            for results in study.models[arm].values()
        ]
        known = [statistics.fmean(values) for values in agreements if None not in values]
        deviation = summarise(study.scores(arm, study.plan.trained_tasks).values()).deviation
        spread = "-" if deviation is None else f"{100 * deviation:.2f}"
        rows.append((name, *fits, _mean(known) if known else "-", spread, str(len(study.models[arm]))))
    return markdown_table(rows)


def _other_domain(study: Study) -> str:
    rows = [("model", "task", "own test rows", "of the other task", "n")]
    for arm, name in NAMES.items():
        for task, other in study.plan.tasks["other_domain"].items():
            own, of_other = (study.scores(arm, [task], split).values() for split in (TEST, OTHER_DOMAIN))
            rows.append((name, f"{task}, {other}", _mean(own), _mean(of_other), str(len(study.models[arm]))))
    return markdown_table(rows, num_text_columns=2)


def _prices(study: Study) -> str:
    costs = study.blocks[0]["cost"]
    sizes = list(costs[0]["latency"])
    rows = [("model", "parameters", "GFLOPs", *(f"ms, batch {size}" for size in sizes), "average x 100")]
    for cost in costs:
        medians = [
            statistics.median(
                other["latency"][size]["median_ms"]
                for block in study.blocks
                for other in block["cost"]
                if other["name"] == cost["name"]
            )
            for size in sizes
        ]
        quality = _mean(study.scores(cost["name"], study.plan.trained_tasks).values())
        latencies = [f"{median:.1f}" for median in medians]
        numbers = f"{cost['parameters'] / 1e6:.1f} million", f"{cost['flops'] / 1e9:.2f}"
        rows.append((NAMES[cost["name"]], *numbers, *latencies, quality))
    return markdown_table(rows)


def _adaptation(study: Study) -> str:
    plan = study.plan.adaptation
    starts = (PLAIN, MULTI_TASK, plan["student"])
    rows = [("task", "labels", *(NAMES.get(start, "plain encoder") for start in starts), "n")]
    for task in study.plan.tasks["adaptation"]:
        for labels in plan["labels"]:
            by_start = [study.models[f"{ADAPTATION}/{start}/{labels}"] for start in starts]
            cells = [_mean(score(results[task, TEST]) for results in models.values()) for models in by_start]
            rows.append((task, str(labels), *cells, str(len(by_start[0]))))
    return markdown_table(rows)


def _pilot(pilot: Mapping[str, Any]) -> str:
    rows = [("variant", "model", "average")]
    for name, variant in pilot.items():
        rows += [(name, model, f"{100 * scores[AVERAGE]:.1f}") for model, scores in variant["scores"].items()]
    return markdown_table(rows, num_text_columns=2)


def _mean(values: Iterable[float], factor: float = 100) -> str:
    summary = summarise(values)
    digits = 1 if factor == 100 else 3
    spread = "" if summary.deviation is None else f" ± {factor * summary.deviation:.{digits}f}"
    return f"{factor * (summary.mean or 0.0):.{digits}f}{spread}"


def _points(value: float) -> str:
    return f"{100 * value:+.2f}"


def _interval(found: PairedDifference) -> str:
    return f"{_points(found.low)} to {_points(found.high)}"
