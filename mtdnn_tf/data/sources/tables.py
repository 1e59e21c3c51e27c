"""Rows of TSV, CSV, JSONL and Parquet files and of saved Arrow data sets, with their lines."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from mtdnn_tf.data.sources.columnar_tables import ColumnarTable, open_columns
from mtdnn_tf.data.sources.saved_datasets import is_saved_dataset
from mtdnn_tf.data.sources.text_records import Record, read_records
from mtdnn_tf.errors import UserError, raise_error, unknown_name
from mtdnn_tf.tasks.file_formats import GZIP, JSONL, PARQUET, ending_of, is_text

_log = logging.getLogger("absl")


class TableRow(NamedTuple):
    """One row of a file or of a saved data set."""

    number: int  # From 0, counting every row of the file but its header.
    line: int  # The line it begins on, from 1; in Parquet and Arrow, which have no lines, the number.
    # Text by column name, of the columns asked for; None where the file has null, no item for an optional column that
    # the file has not. Empty if the row has a problem.
    cells: dict[str, str | None]
    problem: str = ""  # What is wrong with the row's columns.


def place(path: Path, line: int | str = "") -> str:
    """Returns where a row is, for messages; without a line, what comes before it."""
    return f"{path}:{line}" if is_text(path) else f"{path}, row {line}"


def read_rows(
    path: Path,
    required: Sequence[str],
    optional: Sequence[str] = (),
    columns: Sequence[str] | None = None,
    lists: Sequence[str] = (),
    quoting: bool = False,
    refuse: Callable[[UserError], None] = raise_error,
) -> Iterator[TableRow]:
    """Yields the rows of a file whose ending is its format, or of a folder that `Dataset.save_to_disk` wrote.

    `read_records` says how text is read. In a TSV or CSV file of one column a blank line is a row, whose text is empty.
    In other files of text blank lines at the end are no rows: the log has their number.

    Args:
        path: The file, whose ending is one of `ENDINGS`, or the folder.
        required: Columns to read; a file without one is refused.
        optional: Columns to read where the file has them.
        columns: All column names in order, if the TSV or CSV file has no header row. Other formats name their own.
        lists: Columns in which JSONL, Parquet and Arrow may have an array, which is read as JSON text.
        quoting: Whether cells of TSV are quoted like those of CSV. Defaults to False.
        refuse: Is given the error of a line that is no record; see `read_records`. Defaults to raising.
    """
    if _is_columnar(path):
        return _rows_of_columns(open_columns(path), required, optional, lists)
    records = read_records(path, quoting, refuse)
    if _is_jsonl(path):
        return _rows_of_objects(path, records, required, optional, lists, refuse)
    return _rows_of_cells(path, records, required, optional, columns)


def read_table(path: Path) -> tuple[list[str] | None, Iterator[TableRow]]:
    """Returns the column names that a file has, None for JSONL, and its rows with all columns."""
    if _is_columnar(path):
        table = open_columns(path)
        return table.names, _rows_of_columns(table, table.names)
    if _is_jsonl(path):
        return None, _rows_of_objects(path, read_records(path))
    header = next(read_records(path), None)
    columns = [] if header is None else list(header.cells or [""])
    return columns, read_rows(path, columns)


def _is_columnar(path: Path) -> bool:
    return ending_of(path) == PARQUET or is_saved_dataset(path)


def _is_jsonl(path: Path) -> bool:
    return ending_of(path).removesuffix(GZIP) == JSONL


def _rows_of_columns(
    table: ColumnarTable, required: Sequence[str], optional: Sequence[str] = (), lists: Sequence[str] = ()
) -> Iterator[TableRow]:
    names = _check_columns(table.names, required, optional, str(table.path))
    return (TableRow(number, number, cells) for number, cells in enumerate(table.rows(names, lists)))


def _check_columns(columns: Sequence[str], required: Sequence[str], optional: Sequence[str], where: str) -> list[str]:
    """Returns the names of the columns to read; refuses a file without a required one, or with one of them twice."""
    for name in required:
        if name not in columns:
            raise unknown_name("column", name, columns, where)
    names = [name for name in (*required, *optional) if name in columns]
    for name in names:
        if columns.count(name) > 1:
            raise UserError(f"{where}: column {name!r} is named {columns.count(name)} times; name it once")
    return names


def _rows_of_cells(
    path: Path,
    records: Iterator[Record],
    required: Sequence[str],
    optional: Sequence[str],
    columns: Sequence[str] | None,
) -> Iterator[TableRow]:
    """Yields rows whose columns are named by a header row or by the caller."""
    where = str(path)
    if columns is None:
        header = next(records, None)
        if header is None:
            raise UserError(f"{path}: the file is empty; its first row must name the columns")
        columns = list(header.cells or [""])
        where = f"{path}:{header.line}"
    positions = {name: columns.index(name) for name in _check_columns(columns, required, optional, where)}
    for number, record in enumerate(records if len(columns) == 1 else _without_last_blanks(path, records)):
        cells = list(record.cells or [""])
        if len(cells) == len(columns):
            yield TableRow(number, record.line, {name: cells[at] for name, at in positions.items()})
        else:
            yield TableRow(number, record.line, {}, f"row has {len(cells)} column(s), the file has {len(columns)}")


def _rows_of_objects(
    path: Path,
    records: Iterator[Record],
    required: Sequence[str] | None = None,
    optional: Sequence[str] = (),
    lists: Sequence[str] = (),
    refuse: Callable[[UserError], None] = raise_error,
) -> Iterator[TableRow]:
    """Yields rows that name their own columns; all of these if none are required."""
    for number, (line, value) in enumerate(_without_last_blanks(path, records)):
        if not isinstance(value, dict):
            refuse(UserError(f"{path}:{line}: not JSON (blank line)"))
            continue
        names = value if required is None else [*required, *optional]
        cells = {name: value[name] for name in names if name in value}
        cells.update({name: json.dumps(cells[name]) for name in lists if isinstance(cells.get(name), list)})
        problems = [str(unknown_name("column", name, value)) for name in required or () if name not in value]
        problems += [
            f"column {name!r} must be text or a number, got {json.dumps(cell)[:60]}"
            for name, cell in cells.items()
            if isinstance(cell, (list, dict))
        ]
        yield TableRow(number, line, {}, problems[0]) if problems else TableRow(number, line, cells)


def _without_last_blanks(path: Path, records: Iterator[Record]) -> Iterator[Record]:
    """Yields records without blank lines at the end, and logs their number."""
    blanks: list[Record] = []
    for record in records:
        if record.cells is None:
            blanks.append(record)
            continue
        yield from blanks
        blanks.clear()
        yield record
    if blanks:
        _log.info("%s: %d blank line(s) at its end are no rows", path, len(blanks))
