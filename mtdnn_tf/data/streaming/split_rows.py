"""What is known of all rows of a split without their tokens, so that a part of them can be chosen and encoded."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np

from mtdnn_tf.data.sources.example import Example
from mtdnn_tf.data.sources.source import DataSource
from mtdnn_tf.data.streaming.array_file import ArrayFile
from mtdnn_tf.data.streaming.ids_file import IdsFile
from mtdnn_tf.data.streaming.query_numbers import QueryNumbers
from mtdnn_tf.data.streaming.row_digest import RowDigest
from mtdnn_tf.data.streaming.text_lines import TakenTexts, TextLines
from mtdnn_tf.errors import UserError
from mtdnn_tf.files import read_array
from mtdnn_tf.interruption import stop_if_asked
from mtdnn_tf.manifests import MANIFEST, read_manifest, write_manifest
from mtdnn_tf.tasks.task import Task

_IDS, _LABELS, _QUERIES = "ids.txt", "labels.npy", "queries.npy"
_REMEDY = "delete the folder and run the command again"


@dataclasses.dataclass(frozen=True, eq=False)
class SplitRows:
    """Ids, gold labels and queries of the rows of a split, in its order; they stay on disk. See `EncodedSplit`."""

    task: Task
    split: str
    example_ids: Sequence[str]
    labels: np.ndarray  # [rows, ...].
    data_fingerprint: str
    queries: np.ndarray | None = None  # Int32 [rows].

    def __len__(self) -> int:
        return len(self.example_ids)

    def queries_of(self, rows: np.ndarray) -> np.ndarray | None:
        """Returns the numbers of some rows' queries."""
        return None if self.queries is None else self.queries[rows]

    def take(self, rows: np.ndarray) -> SplitRows:
        """Returns some rows, whole queries, with the fingerprint of all."""
        ids, labels = TakenTexts(self.example_ids, rows), self.labels[rows]
        return dataclasses.replace(self, example_ids=ids, labels=labels, queries=self.queries_of(rows))


def write_split_rows(
    folder: Path, batches: Iterable[Sequence[Example]], source: DataSource, task: Task, split: str, key: str
) -> None:
    """Writes what is known of the rows of a split into an empty folder.

    Args:
        folder: The folder.
        batches: All rows, as `source` streams them.
        source: The source, which has the message for duplicate ids.
        task: The task.
        split: Name of the split.
        key: What the rows are made from, for `open_split_rows`.

    Raises:
        UserError: Two rows have the same id.
    """
    kind = task.kind_object
    digest, numbers = RowDigest(folder.parent, source.streams_hashes(task)), QueryNumbers()
    with contextlib.ExitStack() as opened:
        ids = opened.enter_context(IdsFile(folder / _IDS, f"task {task.name}, split {split}"))
        labels = opened.enter_context(ArrayFile(folder / _LABELS, kind.label_array(task, ())))
        queries = opened.enter_context(ArrayFile(folder / _QUERIES, np.empty(0, np.int32)))
        for batch in batches:
            stop_if_asked()
            ids.add([example.example_id for example in batch])
            digest.add(batch)
            labels.add(kind.label_array(task, [example.label for example in batch]))
            if kind.has_queries:
                queries.add(numbers.next(batch))
    fingerprint = finished_fingerprint(digest, ids, source, task, split)
    write_manifest(folder, {"split": split, "key": key, "data_fingerprint": fingerprint})


def finished_fingerprint(digest: RowDigest, ids: IdsFile, source: DataSource, task: Task, split: str) -> str:
    """Returns the fingerprint of the rows of a split that are all in a digest, and numbers hashes of repeated texts.

    Raises:
        UserError: Two rows have the same id.
    """
    fingerprint = digest.hexdigest()
    if digest.duplicates:
        source.refuse_duplicates(task, split, digest.duplicates)
    ids.number_repeated_hashes(digest.repeats())
    return fingerprint


def open_split_rows(folder: Path, task: Task, split: str, key: str) -> SplitRows:
    """Opens what `write_split_rows` wrote; refuses what is damaged or of another key."""
    manifest = read_manifest(folder, _REMEDY, (_IDS, _LABELS, _QUERIES))
    fingerprint = manifest.get("data_fingerprint")
    if (manifest.get("split"), manifest.get("key")) != (split, key) or not isinstance(fingerprint, str):
        raise UserError(f"{folder / MANIFEST}: made from other inputs than its name says; {_REMEDY}")
    queries = read_array(folder / _QUERIES, _REMEDY, mapped=True) if task.kind_object.has_queries else None
    labels = read_array(folder / _LABELS, _REMEDY, mapped=True)
    rows = SplitRows(task, split, TextLines(folder / _IDS), labels, fingerprint, queries)
    if len(labels) != len(rows) or (queries is not None and len(queries) != len(rows)):
        raise UserError(f"{folder}: its files have different numbers of rows; {_REMEDY}")
    return rows


def chosen_examples(examples: Iterable[Example], rows: np.ndarray, all_rows: SplitRows) -> Iterator[Example]:
    """Yields the examples of some rows of a split, with their ids.

    Args:
        examples: Those of all rows, in their order.
        rows: Numbers of the rows in rising order, int64 [rows].
        all_rows: What is known of all rows.
    """
    wanted = map(int, rows)
    row = next(wanted, -1)
    for number, example in enumerate(examples):
        if number == row:
            # Hashes of repeated texts are numbered among all rows.
            yield example._replace(example_id=all_rows.example_ids[number])
            row = next(wanted, -1)
            if row < 0:
                return
