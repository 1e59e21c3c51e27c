"""Examples from a task's files: GLUE's own, or those a user's task file names."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from pathlib import Path
from typing import Any

from absl import logging

from mtdnn_tf.data.sources.example import Example, read_weight
from mtdnn_tf.data.sources.row_ids import RowIds, StreamedIds, UniqueIds
from mtdnn_tf.data.sources.shards import Shard, find_shards, has_data
from mtdnn_tf.data.sources.tables import TableRow, place, read_rows
from mtdnn_tf.data.sources.text_records import has_blank_last_rows
from mtdnn_tf.errors import UserError, raise_error, shortened, unknown_name
from mtdnn_tf.files import sha256_of_file
from mtdnn_tf.json_files import to_json
from mtdnn_tf.remote_files import is_remote, reading, remote_path
from mtdnn_tf.tasks.file_formats import PLAIN_ENDINGS, ending_of
from mtdnn_tf.tasks.task import TRAIN, SplitFile, Task


def file_splits(task: Task, data_dir: Path) -> list[str]:
    """Returns the splits whose files exist, in the task's order."""
    return [split for split in task.files if has_data(split_path(task, split, data_dir))]


def is_in_place(path: str) -> bool:
    """Returns whether a split's path is that of a user's file, not relative to the folder of the data."""
    return is_remote(path) or Path(path).is_absolute()


def split_path(task: Task, split: str, data_dir: Path) -> Path:
    """Returns the path of a split's file, folder or pattern."""
    if split not in task.files:
        raise unknown_name(f"split of task {task.name}", split, task.files)
    path = task.files[split].path
    return remote_path(path) if is_remote(path) else data_dir / path


def file_fingerprint(task: Task, split: str, data_dir: Path) -> dict[str, Any]:
    """Returns what a split's examples are made from: the checksums of its files, and how they are read."""
    shards = split_shards(task, split, data_dir)
    first = shards[0].path
    fields = to_json(task)
    how = {name: fields[name] for name in ("kind", "text", "labels", "file_labels", "skip_labels", "id", "group")}
    file = {name: value for name, value in fields["files"][split].items() if name != "path"}
    if task.weight is not None:
        how["weight"] = task.weight
    made_from = {"kind": "files", "format": ending_of(first), "file": file, "task": how}
    if not first.is_file() or shards[0].name:
        return {**made_from, "files": [pair for shard in shards for pair in shard.checksums()]}
    # Versions before 2026-12, which read one file of plain text, left these rows out.
    new = {"blank_last_rows": True} if first.suffix in PLAIN_ENDINGS and has_blank_last_rows(first) else {}
    return {**made_from, "sha256": sha256_of_file(first), **new}


def read_file_examples(task: Task, split: str, data_dir: Path, keep_skipped: bool = False) -> list[Example]:
    """Reads a split's examples in the order of its file.

    Rows are numbered before any is skipped, as TensorFlow Datasets numbers them. With `keep_skipped`, rows without an
    agreed label (`Task.skip_labels`) are kept, without a label.
    """
    return [example for _, example in read_file_rows(task, split, data_dir, keep_skipped=keep_skipped)]


def read_file_rows(
    task: Task, split: str, data_dir: Path, columns: Sequence[str] = (), keep_skipped: bool = False
) -> Iterator[tuple[TableRow, Example]]:
    """Yields the rows of `read_file_examples`, which have these further columns, with their examples."""
    return _SplitReader(task, split, data_dir, UniqueIds(), columns).read(keep_skipped)


def stream_file_examples(task: Task, split: str, data_dir: Path) -> Iterator[Example]:
    """Yields a split's examples in the order of its file, in bounded memory.

    Unlike `read_file_examples`, it neither numbers ids that are hashes of repeated texts nor refuses duplicate ids.
    """
    return (example for _, example in _SplitReader(task, split, data_dir, StreamedIds()).read(keep_skipped=False))


def stream_table_rows(
    task: Task, split: str, data_dir: Path, table: Shard, refuse: Callable[[UserError], None]
) -> Iterator[tuple[TableRow, Example]]:
    """Yields the rows of one table of a split as `stream_file_examples` does, without those that cannot be read.

    Args:
        task: The task.
        split: The split.
        data_dir: Folder of the data.
        table: The table, one of `split_shards`.
        refuse: Is given the error of each row that is left out.

    Raises:
        UserError: The rest of the table cannot be read.
    """
    return _SplitReader(task, split, data_dir, StreamedIds(), refuse=refuse).read_table(table)


def refuse_duplicate_ids(
    task: Task, split: str, data_dir: Path, ids: Collection[str], refuse: Callable[[UserError], None] = raise_error
) -> None:
    """Raises UserError for the first of some ids that two rows of a split have, with the places of both.

    `refuse` is given the errors of rows that cannot be read; it raises by default.
    """
    for _ in _SplitReader(task, split, data_dir, UniqueIds(ids), refuse=refuse).read(keep_skipped=False):
        pass


def split_shards(task: Task, split: str, data_dir: Path) -> list[Shard]:
    """Returns the tables of a split in the order of its rows; refuses a split that has none."""
    path = split_path(task, split, data_dir)
    # A task file's own files have absolute paths.
    remedy = (
        "--task_file must name a task file that names it where it is"
        if is_in_place(task.files[split].path)
        else "--data_dir must name its folder, or --task_file the task file that declares a task of your own"
    )
    return find_shards(path, split, f"; split {split!r} of task {task.name} is read from it; {remedy}")


class _SplitReader:
    """Reads one split of one task from its tables."""

    def __init__(
        self,
        task: Task,
        split: str,
        data_dir: Path,
        ids: RowIds,
        columns: Sequence[str] = (),
        refuse: Callable[[UserError], None] = raise_error,
    ) -> None:
        self._task = task
        self._split = split
        self._shards = split_shards(task, split, data_dir)
        self._file: SplitFile = task.files[split]
        self._ids = ids
        self._columns = columns
        self._refuse = refuse
        self._text_columns = self._file.text or task.text
        self._id_column, self._has_row_ids = task.id_column, task.has_row_ids
        self._has_numbers = False  # Whether labels are numbers that stand for names.

    def read(self, keep_skipped: bool) -> Iterator[tuple[TableRow, Example]]:
        """Yields the split's examples with their rows; logs how many rows were skipped and why."""
        for shard in self._shards:
            yield from self.read_table(shard, keep_skipped)
        if self._has_numbers:
            meaning = ", ".join(f"{number} is {name}" for number, name in enumerate(self._task.labels))
            logging.info("%s: labels are numbers: %s", self._file.path, meaning)

    def read_table(self, shard: Shard, keep_skipped: bool = False) -> Iterator[tuple[TableRow, Example]]:
        """Yields the examples of one of the split's tables with their rows."""
        with reading(shard.path):
            yield from self._read_table(shard, keep_skipped)

    def _read_table(self, shard: Shard, keep_skipped: bool) -> Iterator[tuple[TableRow, Example]]:
        incomplete = without_label = 0
        before_line = place(shard.path)
        for row in self._rows(shard.path):
            cell = self._label_cell(row)
            if row.problem or (self._file.label and self._file.label_required and cell is None):
                if not self._file.skip_incomplete_rows:
                    reason = row.problem or f"column {self._file.label!r} must have a label in every row, got none"
                    self._refuse(UserError(f"{before_line}{row.line}: {reason}"))
                    continue
                incomplete += 1
            elif cell in self._task.skip_labels and not keep_skipped:
                without_label += 1
            else:
                where = f"{before_line}{row.line}"
                try:
                    example = self._example(shard, row, cell, where)
                except UserError as error:
                    self._refuse(error)
                    continue
                if self._id_column is not None:
                    self._ids.check(example.example_id, where)
                yield row, example
        if incomplete:
            logging.info("%s: skipped %d incomplete row(s)", shard.path, incomplete)
        if without_label:
            logging.info("%s: skipped %d row(s) without an agreed label", shard.path, without_label)

    def _rows(self, path: Path) -> Iterator[TableRow]:
        """Yields the rows of a table with the columns that the task needs."""
        names = (*self._columns, *self._text_columns, self._id_column, self._task.group)
        required = [column for column in dict.fromkeys(names) if column]
        label = [self._file.label] if self._file.label else []
        required, optional = ([*required, *label], []) if self._file.label_required else (required, label)
        if self._task.weight is not None:
            (required if self._split == TRAIN else optional).append(self._task.weight)
        lists = label if self._task.kind_object.takes_lists else []
        return read_rows(path, required, optional, self._file.columns, lists, self._file.quoting, self._refuse)

    def _label_cell(self, row: TableRow) -> str | None:
        """Returns the spelling of the row's label; None if it has none."""
        cell = row.cells.get(self._file.label) if self._file.label else None
        return cell if cell or self._task.kind_object.takes_lists else None

    def _example(self, shard: Shard, row: TableRow, cell: str | None, where: str) -> Example:
        """Returns the row's example; `cell` spells its label."""
        texts = [row.cells[column] for column in self._text_columns]
        if None in texts:
            raise UserError(f"{where}: column {self._text_columns[texts.index(None)]!r} must be text, got null")
        text_a, text_b = str(texts[0]), texts[1] if self._task.is_pair else None
        label = None
        if cell is not None and cell not in self._task.skip_labels:
            label = self._task.kind_object.read_label(self._task, cell, str(self._file.label), where)
            self._has_numbers |= cell.isdecimal() and cell not in (self._task.file_labels or self._task.labels or cell)
        example_id = self._example_id(shard, row, text_a, text_b, where)
        return Example(example_id, text_a, text_b, label, self._group(row, text_a, where), self._weight(row, where))

    def _weight(self, row: TableRow, where: str) -> float:
        """Returns the factor of the row's loss."""
        if self._task.weight is None or self._task.weight not in row.cells:
            return 1.0
        return read_weight(row.cells[self._task.weight], self._task.weight, where)

    def _group(self, row: TableRow, text_a: str, where: str) -> str | None:
        """Returns what tells the query of a ranking's candidate."""
        if not self._task.kind_object.has_queries:
            return None
        group = row.cells[self._task.group] if self._task.group else text_a
        if not group:
            column = self._task.group or self._text_columns[0]
            raise UserError(f"{where}: column {column!r} must name the query of the candidate, got nothing")
        return group

    def _example_id(self, shard: Shard, row: TableRow, text_a: str, text_b: str | None, where: str) -> str:
        """Returns the id of the row's example."""
        if self._has_row_ids:
            return shard.row_id(row.number)
        if (column := self._id_column) is None:
            return self._ids.hashed(text_a, text_b)
        example_id = row.cells[column] or ""
        # Ids are written a line each, to soft targets and to predictions.
        if not example_id or not example_id.isprintable():
            given = repr(shortened(example_id))
            raise UserError(f"{where}: column {column!r} must be an id of printable characters, got {given}")
        return example_id
