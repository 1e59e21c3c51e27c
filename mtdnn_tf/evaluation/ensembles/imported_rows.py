"""Rows of a split that soft targets are imported for."""

from __future__ import annotations

import dataclasses
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from mtdnn_tf.data.sources.example import Example, example_batches
from mtdnn_tf.data.sources.source import DataSource
from mtdnn_tf.data.streaming.row_sum import RowSum, json_row
from mtdnn_tf.data.streaming.split_rows import SplitRows, chosen_examples, open_split_rows, write_split_rows
from mtdnn_tf.data.streaming.text_lines import JoinedTexts
from mtdnn_tf.data.streaming.text_places import TextPlaces
from mtdnn_tf.errors import UserError
from mtdnn_tf.progress import counted
from mtdnn_tf.tasks.task import Task


def read_split_rows(source: DataSource, task: Task, split: str, folder: Path) -> SplitRows:
    """Reads the rows of a split, without their texts, into temporary files in a folder."""
    own = Path(tempfile.mkdtemp(dir=folder))
    batches = counted(example_batches(source.stream(task, split)), f"reading {task.name} {split}")
    write_split_rows(own, batches, source, task, split, split)
    return open_split_rows(own, task, split, split)


def sum_of_rows(source: DataSource, all_rows: SplitRows, rows: np.ndarray) -> str:
    """Returns the `RowSum` of some rows of a split, by their numbers in rising order, reading it again."""
    total = RowSum()
    examples = chosen_examples(source.stream(all_rows.task, all_rows.split), rows, all_rows)
    for batch in counted(example_batches(examples), f"adding up {all_rows.task.name} {all_rows.split}"):
        total.add(map(json_row, (_cells(example) for example in batch)))
    return total.hexdigest()


def _cells(example: Example) -> list[str | None]:
    group = [] if example.group is None else [example.group]
    return [example.example_id, example.text_a, example.text_b, *group]


@dataclasses.dataclass(frozen=True)
class Rows:
    """The examples of a split, without their texts; they stay on disk."""

    split: str
    example_ids: Sequence[str]
    labels: np.ndarray
    queries: np.ndarray | None
    data_fingerprint: str

    @classmethod
    def read(cls, source: DataSource, task: Task, split: str, folder: Path) -> Rows:
        """Reads the rows of a split into temporary files in a folder."""
        return cls.of(read_split_rows(source, task, split, folder))

    @classmethod
    def of(cls, rows: SplitRows) -> Rows:
        """Returns the rows of a split, or some of them with the fingerprint of all."""
        return cls(rows.split, rows.example_ids, rows.labels, rows.queries, rows.data_fingerprint)

    def followed_by(self, other: Rows) -> Rows:
        """Returns the rows of two splits of one table."""
        shared = np.flatnonzero(TextPlaces(self.example_ids).of(other.example_ids) >= 0)
        if len(shared):
            first = min(other.example_ids[index] for index in shared.tolist())
            raise UserError(
                f"`calibrate_on={other.split}` needs `calibration_from`: {len(shared)} ids such as {first!r} are "
                f"in split {self.split}, too"
            )
        queries = None
        if self.queries is not None and other.queries is not None:
            queries = np.concatenate([self.queries, other.queries + self.queries.max() + 1])
        labels = np.concatenate([self.labels, other.labels])
        ids = JoinedTexts([("", self.example_ids), ("", other.example_ids)])
        return Rows(f"{self.split} or {other.split}", ids, labels, queries, "")
