"""Where examples come from: files, or TensorFlow Datasets."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

from mtdnn_tf.data.sources.example import Example
from mtdnn_tf.data.sources.files_source import file_fingerprint, file_splits, read_file_examples
from mtdnn_tf.data.sources.tfds_source import data_of, read_tfds_examples, tfds_fingerprint, tfds_splits
from mtdnn_tf.errors import UserError, unknown_name
from mtdnn_tf.tasks.task import Task

FILES = "files"
TFDS = "tfds"
SOURCES = (FILES, TFDS)


@dataclasses.dataclass(frozen=True)
class DataSource:
    """Where examples come from: a folder of files ("files"), or of data prepared by TensorFlow Datasets ("tfds").

    A task that is not in TensorFlow Datasets is read from its files with either.
    """

    kind: str
    data_dir: Path

    def __post_init__(self) -> None:
        if self.kind not in SOURCES:
            raise unknown_name("data source", self.kind, SOURCES)

    def splits(self, task: Task) -> list[str]:
        """Returns the splits of a task whose data are there."""
        return (tfds_splits if self._reads_tfds(task) else file_splits)(task, self.data_dir)

    def has_split(self, task: Task, split: str) -> bool:
        """Returns whether a task declares a split, though its file may be missing."""
        return split in (self.splits(task) if self._reads_tfds(task) else task.files)

    def reads_data_dir(self, task: Task) -> bool:
        """Returns whether any of a task's data is in the source's folder: a user's files have absolute paths."""
        return self._reads_tfds(task) or any(not Path(file.path).is_absolute() for file in task.files.values())

    def fingerprint(self, task: Task, split: str) -> dict[str, Any]:
        """Returns what a split's examples are made from, as JSON values; the same in any folder."""
        return (tfds_fingerprint if self._reads_tfds(task) else file_fingerprint)(task, split, self.data_dir)

    def read(self, task: Task, split: str) -> list[Example]:
        """Reads the examples of a split.

        Raises:
            UserError: The split is unknown, its data are not there or not accepted, it has no example, or two
                examples of it have the same id.
        """
        if self._reads_tfds(task):
            examples = read_tfds_examples(task, split, self.data_dir)
            where = f"{self.data_dir}: {data_of(task).name}, split {split!r}"
        else:
            examples = read_file_examples(task, split, self.data_dir)
            where = f"{self.data_dir / task.files[split].path}"
        if not examples:
            raise UserError(f"{where}: no example of task {task.name}; a split must have one or more")
        seen: set[str] = set()
        for example in examples:
            if example.example_id in seen:
                raise UserError(f"{where}: duplicate id {example.example_id!r}; ids must be unique")
            seen.add(example.example_id)
        return examples

    def _reads_tfds(self, task: Task) -> bool:
        return self.kind == TFDS and task.tfds is not None
