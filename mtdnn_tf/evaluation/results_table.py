"""Tables of models against tasks, in the numbers that papers on GLUE print."""

from __future__ import annotations

from collections.abc import Mapping

Metrics = Mapping[str, float]
_MISSING = "-"
_AVERAGE = "average"


def text_table(results: Mapping[str, Mapping[str, Metrics]], *, show_metrics: bool = False) -> str:
    """Returns a text table of models (rows) against tasks (columns) and their average, values times 100.

    Args:
        results: Metrics by model and result name: "rte", or "mnli/validation_matched" of several splits.
        show_metrics: Whether a cell shows every metric, as "84.3/88.9", not their mean. Defaults to False.

    Returns:
        Lines ending in a line break. "-" stands for a missing result, and for an average that misses one.
    """
    rows = _rows(results, show_metrics)
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = []
    for name, *values in rows:
        cells = [name.ljust(widths[0]), *(value.rjust(width) for value, width in zip(values, widths[1:]))]
        lines.append("  ".join(cells))
    return "".join(f"{line}\n" for line in lines)


def markdown_table(results: Mapping[str, Mapping[str, Metrics]], *, show_metrics: bool = False) -> str:
    """Returns the table of `text_table` in Markdown."""
    rows = [[cell.replace("|", "\\|") for cell in row] for row in _rows(results, show_metrics)]
    header, *body = rows
    lines = [header, ["---", *("---:" for _ in header[1:])], *body]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _rows(results: Mapping[str, Mapping[str, Metrics]], show_metrics: bool) -> list[list[str]]:
    columns = list(dict.fromkeys(name for tasks in results.values() for name in tasks))
    header = ["model"]
    for name in columns:
        metrics = next(tasks[name] for tasks in results.values() if name in tasks)
        header.append(f"{name} ({'/'.join(metrics)})" if show_metrics else name)
    rows = [[*header, _AVERAGE]]
    for model, tasks in results.items():
        cells = [_cell(tasks[name], show_metrics) if name in tasks else _MISSING for name in columns]
        complete = bool(columns) and all(name in tasks for name in columns)
        rows.append([model, *cells, _percent(_average(tasks)) if complete else _MISSING])
    return rows


def _mean(values: list[float]) -> float:
    return sum(values) / len(values)


def _average(tasks: Mapping[str, Metrics]) -> float:
    """Returns the mean over tasks, one that has several splits counting once, as in GLUE's average."""
    by_task: dict[str, list[float]] = {}
    for name, metrics in tasks.items():
        by_task.setdefault(name.split("/")[0], []).append(_mean(list(metrics.values())))
    return _mean([_mean(scores) for scores in by_task.values()])


def _percent(value: float) -> str:
    return f"{100 * value:.1f}"


def _cell(metrics: Metrics, show_metrics: bool) -> str:
    if show_metrics:
        return "/".join(_percent(value) for value in metrics.values())
    return _percent(_mean(list(metrics.values())))
