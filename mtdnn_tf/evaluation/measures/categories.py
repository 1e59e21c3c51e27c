"""Metrics by the categories that a split's file gives its examples, as GLUE's diagnostic set does."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from mtdnn_tf.data.sources.files_source import read_file_rows
from mtdnn_tf.data.sources.source import FILES, DataSource
from mtdnn_tf.errors import UserError
from mtdnn_tf.evaluation.measures.metrics import compute_metrics
from mtdnn_tf.evaluation.runs import SplitPredictions
from mtdnn_tf.kinds.values import CORRELATIONS, LIST_SEPARATOR
from mtdnn_tf.tasks.task import Task
from mtdnn_tf.text_tables import aligned_table

# How files spell that an example is of no category.
_NONE = ("", "-")


class CategoryMetrics(NamedTuple):
    """Metrics over the examples of one category."""

    column: str  # Of the split's file.
    value: str | None  # The category; None for all examples that have one in this column.
    rows: int  # Number of its examples that have gold labels.
    metrics: dict[str, float | None]  # None where one is undefined.
    note: str = ""  # Why one is undefined.


def read_categories(
    task: Task, split: str, source: DataSource, columns: Sequence[str]
) -> dict[str, dict[str, tuple[str, ...]]]:
    """Returns, by column, the values of each example of a split by its id; refuses a source that is not files.

    A cell holds values separated by ";", or none as "-" or nothing.
    """
    if source.kind != FILES and task.tfds is not None:
        raise UserError(f"--by_category reads the file of task {task.name}, and needs --data_source={FILES}")
    categories: dict[str, dict[str, tuple[str, ...]]] = {column: {} for column in columns}
    for row, example in read_file_rows(task, split, source.data_dir, columns):
        for column in columns:
            values = (value.strip() for value in (row.cells[column] or "").split(LIST_SEPARATOR))
            categories[column][example.example_id] = tuple(value for value in values if value not in _NONE)
    return categories


def category_metrics(
    predicted: SplitPredictions, categories: Mapping[str, Mapping[str, Sequence[str]]]
) -> list[CategoryMetrics]:
    """Returns the metrics of each column of `read_categories`, first of all its examples, then by value."""
    ids, task = predicted.encoded.example_ids, predicted.encoded.task
    gold = predicted.encoded.labels
    has_gold = task.kind_object.labelled(gold, predicted.encoded.queries)
    found = []
    for column, values_of in categories.items():
        rows: dict[str | None, list[int]] = {None: []}
        for index, example_id in enumerate(ids):
            if example_id not in values_of:
                raise UserError(f"task {task.name}: example {example_id!r} is not in the file of column {column!r}")
            if not has_gold[index]:
                continue
            values = dict.fromkeys(values_of[example_id])
            for value in (None, *values) if values else ():
                rows.setdefault(value, []).append(index)
        for value in (None, *sorted(value for value in rows if value is not None)):
            chosen = rows[value]
            metrics, note = _metrics(task, predicted.predictions[chosen], gold[chosen])
            found.append(CategoryMetrics(column, value, len(chosen), metrics, note))
    return found


def _metrics(task: Task, predictions: np.ndarray, gold: np.ndarray) -> tuple[dict[str, float | None], str]:
    """Returns the metrics over some rows with gold, and why some of them are undefined."""
    if len(gold) == 0:
        return dict.fromkeys(task.metrics), "no rows"
    metrics: dict[str, float | None] = dict(compute_metrics(task, predictions, gold))
    undefined = [name for name in metrics if name in CORRELATIONS]
    if not undefined or np.any(gold != gold[0]):
        return metrics, ""
    metrics.update(dict.fromkeys(undefined))
    return metrics, "one row" if len(gold) == 1 else "gold is all alike"


def category_table(categories: Sequence[CategoryMetrics]) -> str:
    """Returns a text table of categories against their rows and metrics, values times 100, "-" for undefined."""
    names = list(categories[0].metrics) if categories else []
    rows = [["category", "rows", *names]]
    for category in categories:
        values = [category.metrics[name] for name in names]
        cells = ["-" if value is None else f"{100 * value:.1f}" for value in values]
        label = category.column if category.value is None else f"  {category.value}"
        rows.append([label, str(category.rows), *cells])
    lines = aligned_table(rows).splitlines()
    notes = ["", *(f"  ({category.note})" if category.note else "" for category in categories)]
    return "".join(f"{line}{note}\n" for line, note in zip(lines, notes))
