"""Where examples come from: files, or TensorFlow Datasets."""

from __future__ import annotations

import collections
import dataclasses
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any, NoReturn

from mtdnn_tf.data.sources.example import Example, numbered_hash
from mtdnn_tf.data.sources.files_source import (
    file_fingerprint,
    file_splits,
    is_in_place,
    read_file_examples,
    refuse_duplicate_ids,
    stream_file_examples,
)
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
        return self._reads_tfds(task) or any(not is_in_place(file.path) for file in task.files.values())

    def fingerprint(self, task: Task, split: str) -> dict[str, Any]:
        """Returns what a split's examples are made from, as JSON values; the same in any folder."""
        return (tfds_fingerprint if self._reads_tfds(task) else file_fingerprint)(task, split, self.data_dir)

    def read(self, task: Task, split: str) -> list[Example]:
        """Reads the examples of a split into memory.

        Raises:
            UserError: The split is unknown, its data are not there or not accepted, it has no example, or two
                examples of it have the same id.
        """
        if self._reads_tfds(task):
            examples = read_tfds_examples(task, split, self.data_dir)
        else:
            examples = read_file_examples(task, split, self.data_dir)
        if not examples:
            raise self._empty(task, split)
        seen: set[str] = set()
        for example in examples:
            if example.example_id in seen:
                raise self._duplicate(task, split, example.example_id)
            seen.add(example.example_id)
        return examples

    def stream(self, task: Task, split: str) -> Iterator[Example]:
        """Yields the examples of `read` as they are read, in bounded memory if the source is files.

        What needs all examples is left to the caller: duplicate ids, for which `refuse_duplicates` has the message,
        and the numbers of repeated hashes (`streams_hashes`).

        Raises:
            UserError: As of `read`.
        """
        if self._reads_tfds(task):
            yield from self.read(task, split)
            return
        examples = stream_file_examples(task, split, self.data_dir)
        first = next(examples, None)
        if first is None:
            raise self._empty(task, split)
        yield first
        yield from examples

    def find(self, task: Task, split: str, ids: Collection[str]) -> dict[str, Example]:
        """Returns the examples of a split that have some ids, by id, in memory for these alone; see `stream`."""
        hashes = {example_id.partition("-")[0] for example_id in ids} if self.streams_hashes(task) else None
        occurrences: collections.Counter[str] = collections.Counter()
        found = {}
        for example in self.stream(task, split):
            example_id = example.example_id
            if hashes is not None and example_id in hashes:
                occurrences[example_id] += 1
                example_id = numbered_hash(example_id, occurrences[example_id])
            if example_id in ids:
                found[example_id] = example._replace(example_id=example_id)
        return found

    def streams_hashes(self, task: Task) -> bool:
        """Returns whether the ids that `stream` yields are `text_hash`, equal for examples with the same texts."""
        return task.has_hash_ids and not self._reads_tfds(task)

    def refuse_duplicates(self, task: Task, split: str, ids: Collection[str]) -> NoReturn:
        """Raises the UserError for ids of which two examples have each, with the places of the first two in files."""
        if not self._reads_tfds(task):
            refuse_duplicate_ids(task, split, self.data_dir, ids)
        raise self._duplicate(task, split, min(ids))

    def _where(self, task: Task, split: str) -> str:
        if self._reads_tfds(task):
            return f"{self.data_dir}: {data_of(task).name}, split {split!r}"
        return f"{self.data_dir / task.files[split].path}"

    def _empty(self, task: Task, split: str) -> UserError:
        return UserError(f"{self._where(task, split)}: no example of task {task.name}; a split must have one or more")

    def _duplicate(self, task: Task, split: str, example_id: str) -> UserError:
        return UserError(f"{self._where(task, split)}: duplicate id {example_id!r}; ids must be unique")

    def _reads_tfds(self, task: Task) -> bool:
        return self.kind == TFDS and task.tfds is not None
