"""The report's tables, for the page and as CSV."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from mtdnn_tf.evaluation.measures.statistics import Summary, summarise
from mtdnn_tf.json_files import finite
from mtdnn_tf.report.data import AVERAGE, Cost, Difference, ReportData, average_summary, metric_summary, task_summary
from mtdnn_tf.text_tables import csv_table

MISSING = "–"
_SCORE = "score"


class Cell(NamedTuple):
    """A cell of a table: its text, text after it in small print, and whether it is bold."""

    text: str
    spread: str = ""
    strong: bool = False


class Table(NamedTuple):
    """A table; the first cell of a row is the row's name, cells after the text columns are numbers."""

    caption: str
    header: Sequence[Cell]
    rows: Sequence[Sequence[Cell]]
    num_text_columns: int = 1


def number(value: float | None, digits: int = 1, scale: float = 1.0, sign: str = "") -> str:
    """Returns a number with a real minus sign, or a dash for None."""
    value = finite(value)
    if value is None:
        return MISSING
    # The round trip is for "-0.0".
    text = format(float(format(scale * value, f".{digits}f")) + 0.0, f"{sign},.{digits}f")
    return text.replace("-", "\N{MINUS SIGN}")


def summary_cell(summary: Summary, usual_n: int, strong: bool = False, *, digits: int = 1, scale: float = 100) -> Cell:
    """Returns a mean with its deviation, and with the number of seeds unless it is `usual_n` or 0."""
    spread = "" if summary.deviation is None else f"± {number(summary.deviation, digits, scale)}"
    if summary.n not in (0, usual_n):
        spread = f"{spread} (n = {summary.n})".strip()
    return Cell(number(summary.mean, digits, scale), spread, strong)


def _over_seeds(values: Sequence[float | None], digits: int, scale: float = 1) -> Cell:
    return summary_cell(summarise(values), len(values), digits=digits, scale=scale)


def _with_n(text: str, values: Sequence[object]) -> Cell:
    return Cell(text, f"n = {len(values)}")


def _is_best(summary: Summary, column: Iterable[Summary]) -> bool:
    known = [other.mean for other in column if other.mean is not None]
    return len(known) > 1 and summary.mean is not None and summary.mean >= max(known)


def score_table(data: ReportData) -> Table:
    """Returns the table of scores by model and task: means over metrics and splits."""
    columns = [[average_summary(model) for model in data.models]]
    columns += [[task_summary(model, task) for model in data.models] for task in data.tasks]
    rows = []
    for i, model in enumerate(data.models):
        cells = [summary_cell(column[i], len(model.runs), _is_best(column[i], column)) for column in columns]
        rows.append([_with_n(model.name, model.runs), *cells])
    header = [Cell("model"), Cell(AVERAGE)]
    header += [Cell(task.name, ", ".join(name.replace("_", " ") for name in task.metrics)) for task in data.tasks]
    caption = (
        "Development scores × 100: mean ± standard deviation over n seeds. A task's score is the mean of its metrics. "
        "Bold: the highest mean of a column, whether or not the difference is significant."
    )
    return Table(caption, header, rows)


def metric_table(data: ReportData) -> Table:
    """Returns the table of all metrics of all splits by model."""
    rows = []
    for task in data.tasks if data.models else ():
        for name in task.result_names:
            for metric in task.metrics:
                cells = [summary_cell(metric_summary(model, name, metric), len(model.runs)) for model in data.models]
                rows.append([Cell(name, metric.replace("_", " ")), *cells])
    header = [Cell("result"), *(Cell(model.name) for model in data.models)]
    return Table("Every metric × 100: mean ± standard deviation over seeds.", header, rows)


def p_value_text(value: float | None) -> str:
    """Returns a p value with three digits."""
    return "< 0.001" if finite(value) is not None and value < 0.0005 else number(value, 3)  # type: ignore[operator]


def _interval(difference: Difference) -> str:
    if finite(difference.low) is None or finite(difference.high) is None:
        return MISSING
    return " to ".join(number(value, 2, 100, "+") for value in (difference.low, difference.high))


def difference_table(data: ReportData, *, averages: bool) -> Table:
    """Returns the table of differences, on average or by task."""
    rows = []
    for item in data.differences:
        if (item.task == AVERAGE) == averages:
            names = [item.label] if averages else [item.label, item.task]
            numbers = [number(item.mean, 2, 100, "+"), _interval(item), p_value_text(item.p_value), str(item.n)]
            rows.append([Cell(text) for text in (*names, *numbers)])
    header = ["difference", *([] if averages else ["task"]), "points", "confidence interval", "p", "pairs"]
    of = ", of the average over tasks." if averages else "."
    caption = f"Differences paired by seed, in points (score × 100){of}"
    return Table(caption, [Cell(name) for name in header], rows, num_text_columns=1 if averages else 2)


def calibration_table(data: ReportData) -> Table:
    """Returns the table of calibration by model and task."""
    rows = [
        [
            Cell(item.task),
            _with_n(item.model, item.nll),
            *(_over_seeds(values, 3) for values in (item.nll, item.brier, item.ece)),
        ]
        for item in data.reliability
    ]
    header = [Cell("task"), Cell("model"), Cell("NLL", "nats"), Cell("Brier score"), Cell("ECE", "0 to 1")]
    return Table("Calibration: mean ± standard deviation over n seeds; lower is better.", header, rows, 2)


def fidelity_table(data: ReportData) -> Table:
    """Returns the table of the student's fidelity to its teacher."""
    rows = [
        [
            _with_n(item.task, item.agreement),
            Cell("yes" if item.has_teacher else "no"),
            _over_seeds(item.agreement, 1, 100),
            _over_seeds(item.kl, 4),
            Cell(number(item.gain_kept, 0, 100)),
        ]
        for item in data.fidelity
    ]
    header = [Cell("task"), Cell("soft targets"), Cell("agreement", "%"), Cell("KL", "nats"), Cell("gain kept", "%")]
    caption = (
        "The student against the ensemble of its teachers: mean ± standard deviation over n seeds; the gain kept is of "
        "the means."
    )
    return Table(caption, header, rows, num_text_columns=2)


def cost_table(data: ReportData) -> Table:
    """Returns the table of costs, with times if any were measured."""
    cost = data.cost or Cost([])
    is_timed = any(row.latency_ms is not None for row in cost.rows)
    rows = []
    for row in cost.rows:
        cells = [Cell(row.name), Cell(number(row.parameters, 1, 1e-6)), Cell(number(row.flops, 2, 1e-9))]
        if is_timed:
            spread = "" if finite(row.latency_iqr_ms) is None else f"IQR {number(row.latency_iqr_ms)}"
            cells.append(Cell(number(row.latency_ms), spread))
        rows.append(cells)
    header = [Cell("model"), Cell("parameters", "millions"), Cell("matrix products", "GFLOP")]
    if is_timed:
        header.append(Cell("latency", "ms, median"))
    caption = "Cost per answer." if cost.length is None else f"What an answer to {cost.length} word pieces costs."
    return Table(caption, header, rows)


def results_csv(data: ReportData) -> str:
    """Returns a row per model and metric (average, task scores, metrics), values from 0 to 1."""
    rows: list[Sequence[object]] = [("model", "role", "task", "result", "metric", "n", "mean", "standard_deviation")]
    for model in data.models:
        named = [((AVERAGE, AVERAGE, _SCORE), average_summary(model))]
        for task in data.tasks:
            named.append(((task.name, task.name, _SCORE), task_summary(model, task)))
            for name in task.result_names:
                for metric in task.metrics:
                    named.append(((task.name, name, metric), metric_summary(model, name, metric)))
        for names, summary in named:
            rows.append((model.name, model.role, *names, summary.n, finite(summary.mean), finite(summary.deviation)))
    return csv_table(rows)


def differences_csv(data: ReportData) -> str:
    """Returns a row per difference, values from 0 to 1."""
    rows: list[Sequence[object]] = [("label", "task", "mean", "low", "high", "p_value", "n")]
    for item in data.differences:
        numbers = (item.mean, item.low, item.high, item.p_value)
        rows.append((item.label, item.task, *map(finite, numbers), item.n))
    return csv_table(rows)
