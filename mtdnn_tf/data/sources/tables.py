"""Rows of TSV, CSV and JSONL files, with their lines."""

from __future__ import annotations

import csv
import json
import logging
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from mtdnn_tf.errors import UserError, unknown_name
from mtdnn_tf.json_files import object_without_repetition

_log = logging.getLogger("absl")
# csv refuses NUL before Python 3.11. This code point is no character and is in no text.
_NUL_STAND_IN = "\U0010ffff"


class TableRow(NamedTuple):
    """One row of a file."""

    number: int  # From 0, counting every row of the file but its header.
    line: int  # The line it begins on, from 1.
    # Text by column name, of the columns asked for; None where JSON has null, no item for an optional column that the
    # file has not. Empty if the row has a problem.
    cells: dict[str, str | None]
    problem: str = ""  # What is wrong with the row's columns.


class _Record(NamedTuple):
    """One row before its columns are named: cells in the file's order, a JSON object, or None for a blank line."""

    line: int
    cells: list[str] | dict[str, Any] | None


def read_rows(
    path: Path,
    required: Sequence[str],
    optional: Sequence[str] = (),
    columns: Sequence[str] | None = None,
    lists: Sequence[str] = (),
) -> Iterator[TableRow]:
    r"""Yields the rows of a UTF-8 file whose ending is its format.

    TSV has no quoting, CSV quotes as RFC 4180 does, JSONL has an object per line. Lines end at "\n" or "\r\n" and
    nowhere else: sentences have other separators. In a file of one column a blank line is a row, whose text is empty.
    In other files blank lines at the end are no rows: the log has their number.

    Args:
        path: The file; .tsv, .csv or .jsonl.
        required: Columns to read; a file without one is refused.
        optional: Columns to read where the file has them.
        columns: All column names in order, if the file has no header row. JSONL names its own.
        lists: Columns in which JSONL may have an array, which is read as JSON text.
    """
    records = _records(path)
    if path.suffix == ".jsonl":
        return _rows_of_objects(path, records, required, optional, lists)
    return _rows_of_cells(path, records, required, optional, columns)


def read_table(path: Path) -> tuple[list[str] | None, Iterator[TableRow]]:
    """Returns the column names of a file with a header row, None for JSONL, and its rows with all columns."""
    if path.suffix == ".jsonl":
        return None, _rows_of_objects(path, _records(path))
    header = next(_records(path), None)
    columns = [] if header is None else list(header.cells or [""])
    return columns, read_rows(path, columns)


def has_blank_last_rows(path: Path) -> bool:
    """Returns whether a file of one column, as far as its first line shows, ends with blank lines."""
    lines = path.read_bytes().removesuffix(b"\n").split(b"\n")
    # Every line of JSONL has the empty separator.
    separator = {".tsv": b"\t", ".csv": b","}.get(path.suffix, b"")
    return separator not in lines[0] and lines[-1] in (b"", b"\r") and len(lines) > 1


def _records(path: Path) -> Iterator[_Record]:
    readers = {".tsv": _tsv_records, ".csv": _csv_records, ".jsonl": _jsonl_records}
    if path.suffix not in readers:
        raise unknown_name("ending of a data file", path.suffix, readers, str(path))
    return readers[path.suffix](path)


def _rows_of_cells(
    path: Path,
    records: Iterator[_Record],
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
    for name in required:
        if name not in columns:
            raise unknown_name("column", name, columns, where)
    positions = {name: columns.index(name) for name in (*required, *optional) if name in columns}
    for name in positions:
        if columns.count(name) > 1:
            raise UserError(f"{where}: column {name!r} is named {columns.count(name)} times; name it once")
    for number, record in enumerate(records if len(columns) == 1 else _without_last_blanks(path, records)):
        cells = list(record.cells or [""])
        if len(cells) == len(columns):
            yield TableRow(number, record.line, {name: cells[at] for name, at in positions.items()})
        else:
            yield TableRow(number, record.line, {}, f"row has {len(cells)} column(s), the file has {len(columns)}")


def _rows_of_objects(
    path: Path,
    records: Iterator[_Record],
    required: Sequence[str] | None = None,
    optional: Sequence[str] = (),
    lists: Sequence[str] = (),
) -> Iterator[TableRow]:
    """Yields rows that name their own columns; all of these if none are required."""
    for number, (line, value) in enumerate(_without_last_blanks(path, records)):
        if not isinstance(value, dict):
            raise UserError(f"{path}:{line}: not JSON (blank line)")
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


def _without_last_blanks(path: Path, records: Iterator[_Record]) -> Iterator[_Record]:
    """Yields records without blank lines at the end, and logs their number."""
    blanks: list[_Record] = []
    for record in records:
        if record.cells is None:
            blanks.append(record)
            continue
        yield from blanks
        blanks.clear()
        yield record
    if blanks:
        _log.info("%s: %d blank line(s) at its end are no rows", path, len(blanks))


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    """Yields a file's lines without their ends, numbered from 1."""
    try:
        with path.open("rb") as file:
            for number, encoded in enumerate(file, 1):
                try:
                    line = encoded.decode("utf-8")
                except UnicodeDecodeError as error:
                    wrong = f"its byte {error.start + 1} is 0x{encoded[error.start]:02x}"
                    raise UserError(f"{path}:{number}: not UTF-8, {wrong}; convert the file to UTF-8") from None
                if number == 1:
                    line = line.removeprefix("\ufeff")
                yield number, line.removesuffix("\n").removesuffix("\r")
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror})") from None


def _tsv_records(path: Path) -> Iterator[_Record]:
    """Yields tab-separated rows; quotes are text."""
    return (_Record(number, line.split("\t") if line else None) for number, line in _lines(path))


def _csv_records(path: Path) -> Iterator[_Record]:
    """Yields comma-separated rows; a quoted cell may have commas, doubled quotes and line breaks."""
    csv.field_size_limit(1 << 30)
    line_numbers: list[int] = []

    def lines() -> Iterator[str]:
        for number, line in _lines(path):
            line_numbers.append(number)
            yield line.replace("\0", _NUL_STAND_IN) + "\n"

    # Not strict, csv would take a forgotten quote for one cell up to the end of the file.
    reader = csv.reader(lines(), strict=True)
    while True:
        line_numbers.clear()
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            raise UserError(f"{path}:{line_numbers[0]}: not CSV ({error})") from None
        yield _Record(line_numbers[0], [cell.replace(_NUL_STAND_IN, "\0") for cell in cells] or None)


def _jsonl_records(path: Path) -> Iterator[_Record]:
    """Yields JSON objects; numbers as they are spelled, true and false by name."""
    for number, line in _lines(path):
        where = f"{path}:{number}"
        if not line.strip():
            yield _Record(number, None)
            continue
        try:
            value = json.loads(
                line, parse_int=str, parse_float=str, parse_constant=str, object_pairs_hook=object_without_repetition
            )
        except json.JSONDecodeError as error:
            raise UserError(f"{where}: not JSON ({error.msg} at column {error.colno})") from None
        except (ValueError, RecursionError) as error:
            raise UserError(f"{where}: not accepted JSON ({error})") from None
        if not isinstance(value, dict):
            raise UserError(f"{where}: a line must be one JSON object, got {line[:60]!r}")
        cells = {name: str(cell).lower() if isinstance(cell, bool) else cell for name, cell in value.items()}
        try:
            "".join(map(str, cells.values() if "\\u" in line else ())).encode()
        except UnicodeEncodeError:
            raise UserError(f"{where}: a text has half a surrogate pair, which is no character") from None
        yield _Record(number, cells)
