"""Soft targets from teachers outside this project, and for them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from mtdnn_tf.data.encoding import data_fingerprint, query_numbers
from mtdnn_tf.data.sources.source import DataSource, read_examples
from mtdnn_tf.distillation.ensemble import average_predictions, check_weights, prediction_variance
from mtdnn_tf.distillation.exchange_files import PROBABILITIES, check_values, read_exchange_file, write_exchange_file
from mtdnn_tf.distillation.soft_targets import read_soft_targets, soft_target_folder, write_soft_targets
from mtdnn_tf.errors import UserError
from mtdnn_tf.files import sha256_of_file
from mtdnn_tf.tasks.task import Task


class _Split(NamedTuple):
    """The examples of a split by id."""

    split: str
    example_ids: list[str]
    data_fingerprint: str


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
    """Writes the average of several teachers' files as soft targets, as if tools.score had scored the split.

    Args:
        files: One file a teacher, of the form of `read_exchange_file`.
        task: The task.
        split: The split whose examples the files are of.
        source: Where its examples come from.
        output_dir: Where the task's folder goes.
        teacher_names: One name a file; the files' own by default.
        weights: One weight a file; equal by default.
        values: "probabilities" or "logits".

    Returns:
        The task's folder.

    Raises:
        UserError: A file is not accepted, or there are not as many names or weights as files.
    """
    check_values(task, values)
    names = list(teacher_names) or [path.stem for path in files]
    if len(names) != len(files):
        raise UserError(f"--teacher_names takes one name a file: {len(files)} files, {len(names)} names given")
    check_weights(weights, len(files))
    examples = read_examples(task, split, source)
    example_ids = [example.example_id for example in examples]
    queries = query_numbers(examples) if task.kind_object.has_queries else None
    predictions = [read_exchange_file(path, task, split, example_ids, values, queries) for path in files]
    teachers = [
        {
            "run": name,
            "file": path.name,
            "file_sha256": sha256_of_file(path),
            "weight": 1.0 if weights is None else weights[index],
        }
        for index, (name, path) in enumerate(zip(names, files))
    ]
    folder = soft_target_folder(output_dir, task, split)
    write_soft_targets(
        folder,
        task,
        _Split(split, example_ids, data_fingerprint(examples)),
        average_predictions(predictions, weights),
        teachers,
        prediction_variance(predictions, weights),
    )
    return folder


def export_soft_targets(soft_targets: Path, task: Task, split: str, path: Path, values: str = PROBABILITIES) -> int:
    """Writes the soft targets of a split to one file.

    Args:
        soft_targets: Folder that tools.score wrote.
        task: The task.
        split: The split.
        path: The file; .tsv or .jsonl.
        values: "probabilities" or "logits".

    Returns:
        Number of rows.

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
