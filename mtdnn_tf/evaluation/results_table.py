"""Tables of models against tasks, in the numbers that papers on GLUE print."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from mtdnn_tf.evaluation.average import Metrics, average, average_name, counts_in_average, result_score

_MISSING = "-"


def text_table(results: Mapping[str, Mapping[str, Metrics]], *, show_metrics: bool = False) -> str:
    """Returns a text table of models (rows) against tasks (columns) and their average, values times 100.

    Args:
        results: Metrics by model and result name: "rte", or "mnli/validation_matched" of several splits.
        show_metrics: Whether a cell shows every metric, as "84.3/88.9", not their mean. Defaults to False.

    Returns:
        Lines ending in a line break. "-" stands for a missing result, and for an average that misses one. The
        last column is named as `average_name` says; there is none where there is nothing to average.
    """
    return aligned(_rows(results, show_metrics))


def aligned(rows: Sequence[Sequence[str]]) -> str:
    """Returns rows of cells as lines of aligned columns, the first to the left and the others to the right."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = []
    for name, *values in rows:
        cells = [name.ljust(widths[0]), *(value.rjust(width) for value, width in zip(values, widths[1:]))]
        lines.append("  ".join(cells).rstrip())
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
    average_column = average_name(columns)
    rows = [[*header, average_column] if average_column else header]
    for model, tasks in results.items():
        cells = [_cell(tasks[name], show_metrics) if name in tasks else _MISSING for name in columns]
        if average_column:
            over_tasks = average(tasks)
            complete = over_tasks and all(name in tasks for name in columns if counts_in_average(name))
            cells.append(_percent(over_tasks.score) if over_tasks and complete else _MISSING)
        rows.append([model, *cells])
    return rows


def _percent(value: float) -> str:
    return f"{100 * value:.1f}"


def _cell(metrics: Metrics, show_metrics: bool) -> str:
    if show_metrics:
        return "/".join(_percent(value) for value in metrics.values())
    return _percent(result_score(metrics))
