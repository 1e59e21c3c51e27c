"""Tables of models against tasks, in the numbers that papers on GLUE print."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from mtdnn_tf.evaluation.measures.average import Metrics, average, average_name, counts_in_average, result_score
from mtdnn_tf.evaluation.measures.statistics import Summary, summarise
from mtdnn_tf.text_tables import aligned_table, markdown_table

# Results of one model, one per seed.
Runs = Sequence[Mapping[str, Metrics]]


def text_table(results: Mapping[str, Runs], *, show_metrics: bool = False, markdown: bool = False) -> str:
    """Returns a text table of models (rows) against tasks (columns) and their average, values times 100.

    A cell is the mean over runs, with their standard deviation and their number in a last column where a model has
    several. "-" is a missing result, or an average that misses one.

    Args:
        results: For each model its runs, and for each run metrics by result name: "rte", or "mnli/validation_matched"
            of several splits.
        show_metrics: Whether a cell shows every metric, as "84.3/88.9", not their mean. Defaults to False.
        markdown: Whether the table is in Markdown. Defaults to False.
    """
    metrics_of = {name: metrics for runs in results.values() for run in runs for name, metrics in run.items()}
    average_column = average_name(metrics_of)
    has_several = any(len(runs) > 1 for runs in results.values())
    header = ["model", *(f"{name} ({'/'.join(of)})" if show_metrics else name for name, of in metrics_of.items())]
    rows = [[*header, *([average_column] if average_column else []), *(["n"] if has_several else [])]]
    for model, runs in results.items():
        row = [model, *(_cell([run[name] for run in runs if name in run], show_metrics) for name in metrics_of)]
        if average_column:
            complete = all(name in run for run in runs for name in metrics_of if counts_in_average(name))
            averages = [average(run) for run in runs] if complete else []
            row.append(mean_and_deviation(summarise(found.score for found in averages if found)))
        rows.append(row + ([str(len(runs))] if has_several else []))
    return (markdown_table if markdown else aligned_table)(rows)


def mean_and_deviation(summary: Summary) -> str:
    """Returns a summary times 100 as "84.3 ± 0.5", "84.3" of one value, or "-" of none."""
    if summary.mean is None:
        return "-"
    deviation = "" if summary.deviation is None else f" ± {100 * summary.deviation:.1f}"
    return f"{100 * summary.mean:.1f}{deviation}"


def _cell(of_runs: Sequence[Metrics], show_metrics: bool) -> str:
    if show_metrics and of_runs:
        return "/".join(mean_and_deviation(summarise(metrics[name] for metrics in of_runs)) for name in of_runs[0])
    return mean_and_deviation(summarise(result_score(metrics) for metrics in of_runs))
