"""Soft targets as a table by example id, which teachers outside this project can write and read."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from mtdnn_tf.data.encoding import data_fingerprint, query_numbers
from mtdnn_tf.data.sources.source import DataSource
from mtdnn_tf.data.sources.tables import place, read_table
from mtdnn_tf.distillation.ensemble import (
    LOGITS,
    PROBABILITIES,
    average_predictions,
    check_average,
    check_weights,
    prediction_variance,
)
from mtdnn_tf.distillation.soft_targets import ScoredSplit, read_soft_targets, soft_target_folder, write_soft_targets
from mtdnn_tf.errors import UserError, shortened, unknown_name
from mtdnn_tf.files import sha256_of_file, write_text
from mtdnn_tf.kinds.values import ID_COLUMN, read_number
from mtdnn_tf.tasks.file_formats import is_text
from mtdnn_tf.tasks.task import Task
from mtdnn_tf.text_tables import check_format, jsonl_text, tsv_text


def import_soft_targets(
    files: Sequence[Path],
    task: Task,
    split: str,
    source: DataSource,
    output_dir: Path,
    teacher_names: Sequence[str] = (),
    weights: Sequence[float] | None = None,
    values: str = PROBABILITIES,
) -> Path:
    """Writes the average of several teachers' files as soft targets, as if mtdnn score had scored the split.

    Args:
        files: One file per teacher, of the form of `read_exchange_file`.
        task: The task.
        split: The split whose examples the files are of.
        source: Where its examples come from.
        output_dir: Where the task's folder goes, which is returned.
        teacher_names: One name per file; the files' own by default.
        weights: One weight per file; equal by default.
        values: "probabilities" or "logits".

    Raises:
        UserError: A file is not accepted, or there are not as many names or weights as files.
    """
    _columns(task, values)
    names = list(teacher_names) or [path.stem for path in files]
    if len(names) != len(files):
        raise UserError(f"--teacher_names must be one name per file, got {len(names)} names for {len(files)} files")
    check_weights(weights, len(files))
    examples = source.read(task, split)
    example_ids = [example.example_id for example in examples]
    queries = query_numbers(examples) if task.kind_object.has_queries else None
    predictions = [read_exchange_file(path, task, split, example_ids, values, queries) for path in files]
    teachers = [
        {"run": name, "file": path.name, "file_sha256": sha256_of_file(path), "weight": weight}
        for name, path, weight in zip(names, files, weights or [1.0] * len(files))
    ]
    folder = soft_target_folder(output_dir, task, split)
    scored = ScoredSplit(split, example_ids, data_fingerprint(examples))
    averaged, variances = average_predictions(predictions, weights), prediction_variance(predictions, weights)
    write_soft_targets(folder, task, scored, averaged, teachers, variances)
    return folder


def export_soft_targets(soft_targets: Path, task: Task, split: str, path: Path, values: str = PROBABILITIES) -> int:
    """Writes the soft targets of a split, in a folder of mtdnn score, by `write_exchange_file`; returns their number.

    Raises:
        UserError: There are no such soft targets, or they are of other labels than the task's.
    """
    folder = soft_target_folder(soft_targets, task, split)
    if not folder.is_dir():
        raise UserError(f"--soft_targets {soft_targets}: no soft targets of task {task.name}, split {split} there")
    targets = read_soft_targets(folder)
    for field, own in (("split", split), ("kind", task.kind), ("label_names", list(task.labels))):
        if targets.manifest.get(field) != own:
            raise UserError(f"{folder}: {field} is {targets.manifest.get(field)}, the task's is {own}")
    write_exchange_file(path, task, targets.example_ids, targets.predictions, values)
    return len(targets.example_ids)


def read_exchange_file(
    path: Path,
    task: Task,
    split: str,
    example_ids: Sequence[str],
    values: str = PROBABILITIES,
    queries: np.ndarray | None = None,
) -> np.ndarray:
    """Reads one teacher's predictions.

    The file has the column `id` and those of `Kind.target_columns`, and no other; its rows are in any order, one for
    each example of the split.

    Args:
        path: The file; .tsv or .csv with a header row, .jsonl or .parquet.
        task: The task.
        split: Name of the split, for messages.
        example_ids: Ids of the split's examples.
        values: What the file holds for a classification or ranking: "probabilities", which sum to 1 within 0.001, or
            "logits".
        queries: For a ranking, the number of each example's query, from 0, int [examples].

    Returns:
        Float64 [examples, num_outputs], in the order of `example_ids`: probabilities or scores.

    Raises:
        UserError: A column, id or number of the file is not accepted, or an example is missing; with the line.
    """
    names = _columns(task, values)
    header, rows = read_table(path)
    if header is not None:
        _check_columns(header, task, names, f"{path}:1" if is_text(path) else str(path))
    position = {example_id: index for index, example_id in enumerate(example_ids)}
    line_of_id: dict[str, int] = {}
    read = np.zeros((len(example_ids), len(names)))
    for row in rows:
        where = place(path, row.line)
        if row.problem:
            raise UserError(f"{where}: {row.problem}")
        if header is None:
            _check_columns(list(row.cells), task, names, where)
        example_id = row.cells[ID_COLUMN] or ""
        if example_id not in position:
            raise UserError(f"{where}: id {shortened(example_id)!r} is no example of task {task.name}, split {split}")
        if example_id in line_of_id:
            first = place(path, line_of_id[example_id])
            raise UserError(f"{where}: duplicate id {example_id!r}, first at {first}")
        line_of_id[example_id] = row.line
        read[position[example_id]] = [read_number(row.cells[name], name, where) for name in names]
    missing = [example_id for example_id in example_ids if example_id not in line_of_id]
    if missing:
        raise UserError(
            f"{path}: no row for {len(missing)} of {len(example_ids)} examples of task {task.name}, split {split}, "
            f"the first: {', '.join(missing[:5])}"
        )
    if values == LOGITS:
        return task.kind_object.from_logits(read, queries)
    return task.kind_object.check_targets(read, queries, lambda row: place(path, line_of_id[example_ids[row]]))


def write_exchange_file(
    path: Path, task: Task, example_ids: Sequence[str], predictions: np.ndarray, values: str = PROBABILITIES
) -> None:
    """Writes predictions, or their logits, so that `read_exchange_file` reads the same float32 numbers.

    Raises:
        UserError: The ending is neither .tsv nor .jsonl, or an id does not fit in a .tsv.
    """
    check_format(path, "soft targets")
    names = _columns(task, values)
    written = (task.kind_object.to_logits(predictions) if values == LOGITS else predictions).astype(np.float32)
    # The shortest decimals that float32 reads back.
    rows = [[str(number) for number in row] for row in written]
    if path.suffix == ".tsv":
        text = tsv_text(path, [[ID_COLUMN, *names], *([of, *row] for of, row in zip(example_ids, rows))])
    else:
        text = jsonl_text({ID_COLUMN: of, **dict(zip(names, map(float, row)))} for of, row in zip(example_ids, rows))
    write_text(path, text)


def _columns(task: Task, values: str) -> tuple[str, ...]:
    """Returns the columns of a task's file beside `id`, after checking that the task has such values."""
    check_average(values, "--values")
    return task.kind_object.target_columns(task, values == LOGITS)


def _check_columns(columns: Sequence[str], task: Task, names: Sequence[str], where: str) -> None:
    accepted = (ID_COLUMN, *names)
    for name in columns:
        if name not in accepted:
            raise unknown_name(f"column of soft targets of {task.kind} task {task.name}", name, accepted, where)
    for name in accepted:
        if name not in columns:
            raise UserError(
                f"{where}: column {name!r} is missing; soft targets of {task.kind} task {task.name} must have "
                f"{', '.join(accepted)}"
            )
