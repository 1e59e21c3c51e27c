"""A teacher's table by example id, whatever made it: probabilities, logits, votes, log probabilities or labels."""

from __future__ import annotations

import dataclasses
import functools
import itertools
import logging
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from mtdnn_tf.data.sources.tables import TableRow, place, read_table
from mtdnn_tf.data.streaming.disk_arrays import disk_array, row_blocks
from mtdnn_tf.data.streaming.text_places import TextPlaces
from mtdnn_tf.distillation.table_options import DEFAULT_TABLES, TableOptions
from mtdnn_tf.errors import UserError, shortened, unknown_name
from mtdnn_tf.kinds.answers import smoothed_labels, top_probabilities
from mtdnn_tf.kinds.values import (
    ID_COLUMN,
    LABELS,
    LOG_PROBABILITIES,
    LOGITS,
    PROBABILITIES,
    SUM_TOLERANCE,
    VOTES,
    Queries,
    read_number,
)
from mtdnn_tf.tasks.file_formats import is_text
from mtdnn_tf.tasks.task import Task

_ROWS_AT_ONCE = 1 << 12
_log = logging.getLogger("absl")


class TeacherTable(NamedTuple):
    """One teacher's predictions."""

    predictions: np.ndarray  # Float64 [examples, num_outputs]: probabilities or scores.
    variances: np.ndarray  # Float64 [examples]: of the scores whose mean a prediction is, or else 0.
    teachers: int = 1  # Number of teachers, or of sampled scores, whose mean each prediction is.


class _Cells(NamedTuple):
    """The numbers of a table."""

    numbers: np.ndarray  # Float64 [rows, num_outputs].
    places: np.ndarray  # Index of the example of each row, int [rows].
    lines: np.ndarray  # Line of each example's row, or of its last one, int64 [examples].
    columns: tuple[str, ...]  # Beside `id`.


def read_teacher_table(
    path: Path,
    task: Task,
    split: str,
    example_ids: Sequence[str],
    values: str = PROBABILITIES,
    options: TableOptions = DEFAULT_TABLES,
    queries: Queries = None,
    folder: Path | None = None,
) -> TeacherTable:
    """Reads one teacher's table; the log says what was read.

    The table has the column `id`, and in any order of columns and rows:

    * probabilities (with a sum of 1 within 0.001), logits: those of `Kind.target_columns`, one row per example;
    * votes: the number of answers for each label, one row per example; or one answer per row, in
      `Kind.answer_column`, one or more rows per example;
    * log_probabilities: one column per label, empty where it is not known, one row per example;
    * labels: one answer per example, in `Kind.answer_column`.

    Args:
        path: The table; .tsv or .csv with a header row, .jsonl or .parquet.
        task: The task.
        split: Name of the split, for messages.
        example_ids: Ids of the split's examples.
        values: What the table holds, one of `TARGET_VALUES`.
        options: Smoothing of votes and labels.
        queries: For a ranking, the number of each example's query, from 0, int [examples].
        folder: Where numbers are kept in temporary files, but for one answer per row; None for in memory.

    Raises:
        UserError: A column, id or value of the file is not accepted, or an example is missing; with the line.
    """
    task.kind_object.check_values(task, values)
    # Other frameworks know a label by its name, not by the spelling of the data files.
    cells = _read_cells(path, dataclasses.replace(task, file_labels=()), split, example_ids, values, folder)
    if values in (VOTES, LABELS) and cells.columns == (task.kind_object.answer_column,):
        return _from_answers(path, task, cells, values, options, len(example_ids))
    predictions = disk_array(folder, cells.numbers.shape, np.float64)
    for block in [slice(0, len(predictions))] if queries is not None else row_blocks(len(predictions)):
        where = functools.partial(_place_of, path, cells.lines[block])
        given = (cells.numbers[block], values, options.vote_smoothing, None if queries is None else queries[block])
        predictions[block] = _from_numbers(task, *given, where)
    _log.info("%s: %s of task %s: %d rows", path, values, task.name, len(cells.lines))
    return TeacherTable(predictions, np.zeros(len(predictions)))


def _place_of(path: Path, lines: np.ndarray, row: int) -> str:
    return place(path, int(lines[row]))


def _from_numbers(
    task: Task,
    numbers: np.ndarray,
    values: str,
    vote_smoothing: float,
    queries: Queries,
    where: Callable[[int], str],
) -> np.ndarray:
    """Returns the predictions of a table with numbers for each example, [examples, num_outputs]."""
    kind = task.kind_object
    if values == PROBABILITIES:
        return kind.check_targets(numbers, queries, where)
    if values == LOGITS:
        return kind.from_logits(numbers, queries)
    if values == VOTES:
        is_count = (numbers >= 0) & (numbers == np.floor(numbers))
        _check_rows(
            is_count.all(axis=1) & (numbers.sum(axis=1) > 0), numbers, where, "votes must be integers >= 0, not all 0"
        )
        return kind.with_floor(kind.from_votes(task, numbers, numbers.sum(axis=1), vote_smoothing), queries)
    # A log probability far above 0 would overflow.
    sums = np.nansum(np.exp(np.minimum(numbers, 1.0)), axis=1)
    is_known = np.isfinite(numbers).any(axis=1)
    rule = "log probabilities must be one number or more, <= 0, of probabilities with a sum of at most 1"
    _check_rows(is_known & (sums <= 1.0 + SUM_TOLERANCE), numbers, where, rule)
    return kind.with_floor(top_probabilities(numbers), queries)


def _from_answers(
    path: Path, task: Task, cells: _Cells, values: str, options: TableOptions, examples: int
) -> TeacherTable:
    """Returns the predictions of a table with one answer per row."""
    kind, answers = task.kind_object, np.bincount(cells.places, minlength=examples).astype(np.float64)
    sums = np.zeros((examples, task.num_outputs))
    np.add.at(sums, cells.places, cells.numbers)
    if values == LABELS:
        predictions = smoothed_labels(sums > 0, kind.alternatives(task), options.label_smoothing)
    else:
        predictions = kind.from_votes(task, sums, answers, options.vote_smoothing)
    fewest, most = int(answers.min()), int(answers.max())
    shown = f"{fewest}" if fewest == most else f"{fewest} to {most}"
    _log.info("%s: %s of task %s: %s answer(s) for each of %d examples", path, values, task.name, shown, examples)
    if not kind.predicts_scores:
        return TeacherTable(kind.with_floor(predictions, None), np.zeros(examples))
    squares = ((cells.numbers - predictions[cells.places]) ** 2).mean(axis=1)
    return TeacherTable(predictions, np.bincount(cells.places, squares, minlength=examples) / answers, fewest)


def _forms(task: Task, values: str) -> list[tuple[str, ...]]:
    """Returns the accepted sets of columns beside `id`."""
    kind = task.kind_object
    columns, answer = kind.target_columns(task, values), (kind.answer_column,)
    if values == VOTES:
        # Counts do not say how many answers there were where an answer may have several labels.
        return [columns, answer] if kind.has_one_label else [answer]
    return [answer] if values == LABELS else [columns]


def _read_cells(
    path: Path, task: Task, split: str, example_ids: Sequence[str], values: str, folder: Path | None
) -> _Cells:
    """Returns the numbers of a table, in the order of the examples where each has one row."""
    forms = _forms(task, values)
    header, rows = read_table(path)
    names: tuple[str, ...] = ()
    if header is not None:
        names = _columns(header, task, forms, f"{path}:1" if is_text(path) else str(path))
    known, lines = TextPlaces(example_ids), np.full(len(example_ids), -1, np.int64)
    by_example = disk_array(folder, (len(lines), task.num_outputs), np.float64)
    samples: list[tuple[np.ndarray, np.ndarray]] = []
    is_sample = False
    for block in _blocks(rows):
        places = known.of([row.cells.get(ID_COLUMN) or "" for row in block])
        numbers = np.empty((len(block), task.num_outputs))
        for index, (row, at) in enumerate(zip(block, places.tolist())):
            where = place(path, row.line)
            if row.problem:
                raise UserError(f"{where}: {row.problem}")
            if header is None:
                names = _columns(list(row.cells), task, [names] if names else forms, where)
            example_id = row.cells[ID_COLUMN] or ""
            if at < 0:
                what = f"id {shortened(example_id)!r} is no example of task {task.name}, split {split}"
                raise UserError(f"{where}: {what}")
            is_sample = values == VOTES and names == (task.kind_object.answer_column,)
            if lines[at] >= 0 and not is_sample:
                raise UserError(f"{where}: duplicate id {example_id!r}, first at {_place_of(path, lines, at)}")
            lines[at] = row.line
            numbers[index] = _row_numbers(row, task, names, values, where)
        if is_sample:
            samples.append((numbers, places))
        else:
            by_example[places] = numbers
    missing = np.flatnonzero(lines < 0)
    if len(missing):
        raise UserError(
            f"{path}: no row for {len(missing)} of {len(lines)} examples of task {task.name}, split {split}, "
            f"the first: {', '.join(example_ids[index] for index in missing[:5].tolist())}"
        )
    if is_sample:
        by_row, of_rows = (np.concatenate(parts) for parts in zip(*samples))
        return _Cells(by_row, of_rows, lines, names)
    return _Cells(by_example, np.arange(len(lines)), lines, names)


def _blocks(rows: Iterable[TableRow]) -> Iterator[list[TableRow]]:
    """Yields rows in blocks; those before a row that cannot be read come before its error."""
    left, failed = iter(rows), None
    while failed is None:
        block: list[TableRow] = []
        try:
            for row in itertools.islice(left, _ROWS_AT_ONCE):
                block.append(row)
        except UserError as error:
            failed = error
        if block:
            yield block
        elif failed is None:
            return
    raise failed


def _row_numbers(row: TableRow, task: Task, names: Sequence[str], values: str, where: str) -> Sequence[float]:
    if values in (VOTES, LABELS) and names == (task.kind_object.answer_column,):
        return list(task.kind_object.read_answer(task, row.cells[names[0]] or "", where))
    may_miss = values == LOG_PROBABILITIES
    cells = [row.cells[name] for name in names]
    return [math.nan if may_miss and not cell else read_number(cell, name, where) for name, cell in zip(names, cells)]


def _columns(columns: Sequence[str], task: Task, forms: Sequence[tuple[str, ...]], where: str) -> tuple[str, ...]:
    """Returns the columns beside `id` of the form that a table has; refuses missing and further columns."""
    given = {*columns} - {ID_COLUMN}
    names = next((form for form in forms if {*form} == given), None)
    names = names or next((form for form in forms if {*form} & given), forms[0])
    accepted = (ID_COLUMN, *names)
    what = f"column of soft targets of {task.kind} task {task.name}"
    for name in columns:
        if name not in accepted:
            raise unknown_name(what, name, accepted, where)
    for name in accepted:
        if name not in columns:
            raise UserError(
                f"{where}: column {name!r} is missing; soft targets of {task.kind} task {task.name} must have "
                f"{' or '.join(', '.join((ID_COLUMN, *form)) for form in forms)}"
            )
    return names


def _check_rows(is_right: np.ndarray, numbers: np.ndarray, where: Callable[[int], str], rule: str) -> None:
    for row in np.flatnonzero(~is_right)[:1]:
        shown = ", ".join("none" if np.isnan(number) else f"{number:g}" for number in numbers[row])
        raise UserError(f"{where(row)}: {rule}, got {shown}")
