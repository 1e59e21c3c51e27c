"""Rows of a split divided by ranges of their ids and sorted, so that the ranges one after the other are all rows."""

from __future__ import annotations

import bisect
import functools
import hashlib
import itertools
import json
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import apache_beam as beam
from apache_beam.metrics import Metrics

from mtdnn_tf.data.sources.example import Example
from mtdnn_tf.data.sources.files_source import split_shards, stream_table_rows
from mtdnn_tf.data.streaming.row_digest import RowDigest
from mtdnn_tf.data.streaming.row_sum import RowSum
from mtdnn_tf.errors import UserError
from mtdnn_tf.files import make_folder, new_file
from mtdnn_tf.json_files import read_json, write_json
from mtdnn_tf.tasks.task import Task

_UNREADABLE = "unreadable"
_DUPLICATES, _COUNT = "duplicates.json", "count.json"
_MOST_DUPLICATES = 1000
# A row's number is that of its table and, in so many digits, its number there.
_DIGITS_IN_TABLE, _DIGITS = 12, 18
_SAMPLED_PER_RANGE = 100
_ROWS_AT_ONCE = 1024
# Id, number, texts and query.
_Row = tuple[str, int, str, "str | None", "str | None"]


class Unreadable(NamedTuple):
    """A row that cannot be read."""

    problem: str  # With file and line.
    ends_file: bool  # Whether the rows after it cannot be read either.


class RowRanges:
    """The ranges of a split's rows, in a folder that all workers see.

    Args:
        folder: Where they are.
        task: The task.
        split: The split.
        data_dir: Folder of the data.
        count: Number of ranges; some may have no rows.
    """

    def __init__(self, folder: Path, task: Task, split: str, data_dir: Path, count: int) -> None:
        self._folder = folder
        self._task, self._split, self._data_dir = task, split, data_dir
        self.count = count

    @property
    def unreadable_file(self) -> Path:
        """The file of the rows that cannot be read: an object per line."""
        return self._folder / f"{_UNREADABLE}.jsonl"

    def build(self, pipeline: beam.Pipeline) -> None:
        """Adds the steps that write the ranges to a pipeline."""
        make_folder(self._folder)
        tables = split_shards(self._task, self._split, self._data_dir)
        places = [(number, table.path.as_posix(), table.name) for number, table in enumerate(tables)]
        read = (
            pipeline
            | "Tables" >> beam.Create(places)
            | "Spread tables" >> beam.Reshuffle()
            | "Read"
            >> beam.ParDo(_Read(self._task, self._split, self._data_dir)).with_outputs(_UNREADABLE, main="rows")
        )
        sample = (
            read.rows
            | "Hash" >> beam.Map(_hashed)
            | "Sample" >> beam.combiners.Top.Smallest(_SAMPLED_PER_RANGE * self.count)
        )
        bounds = sample | "Bounds" >> beam.Map(_bounds, self.count)
        (
            read.rows
            | "Range of row" >> beam.Map(_with_range, beam.pvalue.AsSingleton(bounds))
            | "Ranges" >> beam.GroupByKey()
            | "Sort" >> beam.ParDo(_Sort(self._folder, self._task))
            | "Duplicates" >> beam.combiners.Top.Smallest(_MOST_DUPLICATES)
            | "Write duplicates" >> beam.Map(_write, self._folder / _DUPLICATES)
        )
        (
            read.rows
            | "Count" >> beam.combiners.Count.Globally()
            | "Write count" >> beam.Map(_write, self._folder / _COUNT)
        )
        read.unreadable | "Write unreadable" >> beam.io.WriteToText(
            str(self._folder / _UNREADABLE), ".jsonl", shard_name_template=""
        )

    def unreadable(self) -> list[Unreadable]:
        """Returns the rows that cannot be read."""
        with self.unreadable_file.open(encoding="utf-8") as file:
            return sorted(Unreadable(**json.loads(line)) for line in file)

    def duplicates(self) -> list[str]:
        """Returns ids that several rows have, some of them if they are many."""
        return list(read_json(self._folder / _DUPLICATES))

    def digests(self) -> tuple[int, str, str]:
        """Returns the number of rows and their `RowDigest.digests`, reading all ranges once."""
        digest, total, rows = hashlib.sha256(), RowSum(), 0
        for number in range(self.count):
            lines = (line.rstrip("\n") for line in self._lines(number))
            while block := list(itertools.islice(lines, _ROWS_AT_ONCE)):
                digest.update("".join(block).encode())
                total.add(block)
                rows += len(block)
        expected = read_json(self._folder / _COUNT)
        if rows != expected:
            raise UserError(f"{self._folder}: must have the {expected} rows that were read, got {rows}; run it again")
        return rows, digest.hexdigest(), total.hexdigest()

    def rows(self, number: int) -> list[list[Any]]:
        """Returns the rows of a range: id, texts and, of a ranking, query."""
        return [json.loads(line) for line in self._lines(number)]

    def _lines(self, number: int) -> Iterator[str]:
        path = _range_file(self._folder, number)
        if path.is_file():
            with path.open(encoding="ascii", newline="\n") as file:
                yield from file


def _range_file(folder: Path, number: int) -> Path:
    return folder / f"rows-{number:05d}.jsonl"


def _hashed(row: _Row) -> tuple[bytes, str]:
    """Returns a row's id after a hash: the smallest of all rows are a sample, the same in any order of the rows."""
    return hashlib.blake2b(f"{row[0]}\0{row[1]}".encode(), digest_size=8).digest(), row[0]


def _bounds(sample: Sequence[tuple[bytes, str]], count: int) -> list[str]:
    ids = sorted(example_id for _, example_id in sample)
    return [ids[len(ids) * number // count] for number in range(1, count)] if ids else []


def _with_range(row: _Row, bounds: Sequence[str]) -> tuple[int, _Row]:
    return bisect.bisect_right(bounds, row[0]), row


def _write(value: Any, path: Path) -> None:
    write_json(path, value)


class _Read(beam.DoFn):
    """Reads a table; rows that cannot be read are another output."""

    def __init__(self, task: Task, split: str, data_dir: Path) -> None:
        self._task, self._split, self._data_dir = task, split, data_dir
        self._read = Metrics.counter("mtdnn_tf", "rows_read")
        self._unreadable = Metrics.counter("mtdnn_tf", "rows_unreadable")

    def process(self, element: tuple[int, str, str]) -> Iterator[Any]:
        number, path, name = element
        first = number * 10**_DIGITS_IN_TABLE
        refused: list[UserError] = []
        tables = split_shards(self._task, self._split, self._data_dir)
        table = next(table for table in tables if (table.path.as_posix(), table.name) == (path, name))
        try:
            how = (self._task, self._split, self._data_dir, table, refused.append)
            for row, example in stream_table_rows(*how):
                self._read.inc()
                yield example.example_id, first + row.number, example.text_a, example.text_b, example.group
        except UserError as error:
            yield self._tagged(error, ends_file=True)
        yield from map(functools.partial(self._tagged, ends_file=False), refused)

    def _tagged(self, error: UserError, ends_file: bool) -> beam.pvalue.TaggedOutput:
        self._unreadable.inc()
        return beam.pvalue.TaggedOutput(_UNREADABLE, json.dumps(Unreadable(str(error), ends_file)._asdict()))


class _Sort(beam.DoFn):
    """Writes the rows of a range in the order of `RowDigest`, and yields the ids of duplicates."""

    def __init__(self, folder: Path, task: Task) -> None:
        self._folder, self._are_hashes = folder, task.has_hash_ids

    def process(self, element: tuple[int, Iterable[_Row]]) -> Iterator[str]:
        number, rows = element
        digest, left = RowDigest(Path(tempfile.gettempdir()), self._are_hashes, _DIGITS), iter(rows)
        while block := list(itertools.islice(left, _ROWS_AT_ONCE)):
            examples = [Example(of, text_a, text_b, group=group) for of, _, text_a, text_b, group in block]
            digest.add(examples, [row[1] for row in block])
        with new_file(_range_file(self._folder, number)) as temporary, temporary.open("w", encoding="ascii") as file:
            for contents in digest.blocks():
                file.writelines(f"{content}\n" for content in contents)
        yield from digest.duplicates
