"""Soft targets as a table by example id, which a teacher of any framework can write and read."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from mtdnn_tf.data.sources.tables import TableRow, read_table
from mtdnn_tf.errors import UserError, shortened, unknown_name
from mtdnn_tf.files import write_text
from mtdnn_tf.kinds.values import ID_COLUMN
from mtdnn_tf.tasks.task import Task

PROBABILITIES = "probabilities"
LOGITS = "logits"
VALUES = (PROBABILITIES, LOGITS)
_FORMATS = (".tsv", ".jsonl")
_LARGEST_FLOAT32 = 3.4e38


def read_exchange_file(
    path: Path,
    task: Task,
    split: str,
    example_ids: Sequence[str],
    values: str = PROBABILITIES,
    queries: np.ndarray | None = None,
) -> np.ndarray:
    """Reads one teacher's predictions.

    The file has a column `id` and one for each label name, or `score` for a regression and for logits of a ranking, or
    `probability` for those of a ranking, and no other; its rows are in any order, one for each example of the split.

    Args:
        path: The file; .tsv or .csv with a header row, or .jsonl.
        task: The task.
        split: Name of the split, for messages.
        example_ids: Ids of the split's examples.
        values: What the file holds of a classification or ranking: "probabilities", which sum to 1 within 0.001, or
            "logits".
        queries: Of a ranking, the number of each example's query, from 0, int [examples].

    Returns:
        Float64 [examples, num_outputs], in the order of `example_ids`: probabilities or scores.

    Raises:
        UserError: A column, id or number of the file is not accepted, or an example is missing; with the line.
    """
    check_values(task, values)
    names = task.kind_object.target_columns(task, values == LOGITS)
    header, rows = read_table(path)
    if header is not None:
        _check_columns(header, task, names, f"{path}:1")
    position = {example_id: index for index, example_id in enumerate(example_ids)}
    line_of_id: dict[str, int] = {}
    read = np.zeros((len(example_ids), len(names)))
    for row in rows:
        where = f"{path}:{row.line}"
        if row.problem:
            raise UserError(f"{where}: {row.problem}")
        if header is None:
            _check_columns(list(row.cells), task, names, where)
        example_id = row.cells[ID_COLUMN] or ""
        if example_id not in position:
            raise UserError(f"{where}: id {shortened(example_id)!r} is no example of task {task.name}, split {split}")
        if example_id in line_of_id:
            raise UserError(f"{where}: id {example_id!r} stands on line {line_of_id[example_id]} already; give it once")
        line_of_id[example_id] = row.line
        read[position[example_id]] = [_number(row, name, where) for name in names]
    missing = [example_id for example_id in example_ids if example_id not in line_of_id]
    if missing:
        raise UserError(
            f"{path}: no row for {len(missing)} of {len(example_ids)} examples of task {task.name}, split {split}, "
            f"the first: {', '.join(missing[:5])}"
        )
    if values == LOGITS:
        return task.kind_object.from_logits(read, queries)
    return task.kind_object.check_targets(read, queries, lambda row: f"{path}:{line_of_id[example_ids[row]]}")


def write_exchange_file(
    path: Path, task: Task, example_ids: Sequence[str], predictions: np.ndarray, values: str = PROBABILITIES
) -> None:
    """Writes predictions so that `read_exchange_file` reads the same float32 numbers.

    Args:
        path: The file; .tsv or .jsonl.
        task: The task.
        example_ids: Ids of the examples.
        predictions: Float32 [examples, num_outputs]: probabilities or scores.
        values: "probabilities", or "logits" for the log of them.

    Raises:
        UserError: The ending is not accepted, or an id does not fit in a .tsv.
    """
    check_format(path)
    check_values(task, values)
    names = task.kind_object.target_columns(task, values == LOGITS)
    written = (task.kind_object.to_logits(predictions) if values == LOGITS else predictions).astype(np.float32)
    # The shortest decimals that float32 reads back.
    rows = [[str(number) for number in row] for row in written]
    if path.suffix == ".tsv":
        for example_id in example_ids:
            if "\t" in example_id:
                raise UserError(f"{path}: id {example_id!r} holds a tab, which a .tsv cannot; write a .jsonl")
        lines = ["\t".join((ID_COLUMN, *names))]
        lines += ["\t".join((example_id, *row)) for example_id, row in zip(example_ids, rows)]
    else:
        lines = [
            json.dumps({ID_COLUMN: example_id, **dict(zip(names, map(float, row)))}, ensure_ascii=False)
            for example_id, row in zip(example_ids, rows)
        ]
    write_text(path, "".join(f"{line}\n" for line in lines))


def check_format(path: Path) -> None:
    """Refuses a file whose ending is none that soft targets are written to."""
    if path.suffix not in _FORMATS:
        raise UserError(f"{path}: soft targets are written to a file ending in {' or '.join(_FORMATS)}")


def check_values(task: Task, values: str) -> None:
    """Refuses what a task's file cannot hold.

    Raises:
        UserError: `values` is unknown, or logits of a task that has none.
    """
    if values not in VALUES:
        raise unknown_name("--values", values, VALUES)
    task.kind_object.target_columns(task, values == LOGITS)


def _check_columns(columns: Sequence[str], task: Task, names: Sequence[str], where: str) -> None:
    accepted = (ID_COLUMN, *names)
    for name in columns:
        if name not in accepted:
            raise unknown_name(f"column of soft targets of {task.kind} task {task.name}", name, accepted, where)
    for name in accepted:
        if name not in columns:
            raise UserError(
                f"{where}: column {name!r} is missing; soft targets of {task.kind} task {task.name} take "
                f"{', '.join(accepted)}"
            )


def _number(row: TableRow, name: str, where: str) -> float:
    cell = row.cells[name]
    try:
        number = float(cell or "")
    except ValueError:
        number = math.nan
    # Python reads 1_000 too.
    if not abs(number) <= _LARGEST_FLOAT32 or "_" in (cell or ""):
        given = "null" if cell is None else repr(shortened(cell))
        raise UserError(f"{where}: column {name!r} takes a number, {given} given")
    return number
