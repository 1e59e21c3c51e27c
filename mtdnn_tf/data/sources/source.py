"""Where examples come from: files, or TensorFlow Datasets."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

from mtdnn_tf.data.sources.example import Example
from mtdnn_tf.data.sources.files_source import file_fingerprint, file_splits, read_file_examples
from mtdnn_tf.data.sources.tfds_source import read_tfds_examples, tfds_fingerprint, tfds_splits
from mtdnn_tf.errors import UserError, unknown_name
from mtdnn_tf.tasks.task import Task

FILES = "files"
TFDS = "tfds"
SOURCES = (FILES, TFDS)


@dataclasses.dataclass(frozen=True)
class DataSource:
    """Where examples come from.

    Attributes:
        kind: "files", or "tfds" for data prepared by TensorFlow Datasets; a task that is not in TensorFlow Datasets is
            read from its files with either.
        data_dir: The folder of either.
    """

    kind: str
    data_dir: Path

    def __post_init__(self) -> None:
        if self.kind not in SOURCES:
            raise unknown_name("data source", self.kind, SOURCES)


def available_splits(task: Task, source: DataSource) -> list[str]:
    """Returns the splits of a task whose data are there."""
    if _reads_tfds(task, source):
        return tfds_splits(task, source.data_dir)
    return file_splits(task, source.data_dir)


def has_split(task: Task, split: str, source: DataSource) -> bool:
    """Returns whether a task declares a split, though its file may be missing."""
    return split in (tfds_splits(task, source.data_dir) if _reads_tfds(task, source) else task.files)


def reads_data_dir(task: Task, source: DataSource) -> bool:
    """Returns whether any of a task's data is in the source's folder: a user's files have absolute paths."""
    return _reads_tfds(task, source) or any(not Path(file.path).is_absolute() for file in task.files.values())


def source_fingerprint(task: Task, split: str, source: DataSource) -> dict[str, Any]:
    """Returns what a split's examples are made from, as JSON values; the same in any folder."""
    if _reads_tfds(task, source):
        return tfds_fingerprint(task, split, source.data_dir)
    return file_fingerprint(task, split, source.data_dir)


def read_examples(task: Task, split: str, source: DataSource) -> list[Example]:
    """Reads the examples of a split.

    Raises:
        UserError: The split is unknown, its data are not there or not accepted, it has no example, or two
            examples of it have the same id.
    """
    if _reads_tfds(task, source):
        examples = read_tfds_examples(task, split, source.data_dir)
        where = f"{source.data_dir}: {task.tfds.name if task.tfds else ''}, split {split!r}"
    else:
        examples = read_file_examples(task, split, source.data_dir)
        where = f"{source.data_dir / task.files[split].path}"
    if not examples:
        raise UserError(f"{where}: no example of task {task.name}; a split must have one or more")
    seen: set[str] = set()
    for example in examples:
        if example.example_id in seen:
            raise UserError(f"{where}: duplicate id {example.example_id!r}; ids must be unique")
        seen.add(example.example_id)
    return examples


def _reads_tfds(task: Task, source: DataSource) -> bool:
    """Returns whether a task is read from TensorFlow Datasets."""
    return source.kind == TFDS and task.tfds is not None
