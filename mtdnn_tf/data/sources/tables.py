"""Rows of TSV, CSV and JSONL files, with the lines they stand on."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from mtdnn_tf.errors import UserError, unknown_name
from mtdnn_tf.json_files import object_without_repetition

# csv refuses NUL before Python 3.11. This code point is no character and stands in no text.
_NUL_STAND_IN = "\U0010ffff"


class TableRow(NamedTuple):
    """One row of a file.

    Attributes:
        number: The row's number, from 0, counting every row of the file but its header.
        line: The line it begins on, from 1.
        cells: Text by column name, of the columns asked for; None where JSON says null, no item for an
            optional column that the file has not. Empty if the row has a problem.
        problem: What is wrong with the row's columns; empty if nothing is.
    """

    number: int
    line: int
    cells: dict[str, str | None]
    problem: str = ""


class _Record(NamedTuple):
    """One row before its columns are named: cells in the file's order, or an object of JSON."""

    line: int
    cells: list[str] | dict[str, Any]


def read_rows(
    path: Path,
    required: Sequence[str],
    optional: Sequence[str] = (),
    columns: Sequence[str] | None = None,
    lists: Sequence[str] = (),
) -> Iterator[TableRow]:
    r"""Yields the rows of a UTF-8 file whose ending tells the format.

    TSV has no quoting, CSV quotes as RFC 4180 does, JSONL has an object a line. Lines end at "\n" or
    "\r\n" and nowhere else: sentences hold other separators. Blank lines at the end are ignored.

    Args:
        path: The file; .tsv, .csv or .jsonl.
        required: Columns to read; a file without one is refused.
        optional: Columns to read where the file has them.
        columns: All column names in order, if the file has no header row; None if its first row names
            them. JSONL names its own.
        lists: Columns in which JSONL may hold an array, which is read as JSON text.

    Raises:
        UserError: The file is missing, unreadable, not UTF-8 or not of its format, or lacks a required
            column.
    """
    readers: dict[str, Callable[[Path], Iterator[_Record]]] = {
        ".tsv": _tsv_records,
        ".csv": _csv_records,
        ".jsonl": _jsonl_records,
    }
    if path.suffix not in readers:
        raise unknown_name("ending of a data file", path.suffix, readers, str(path))
    records = readers[path.suffix](path)
    if path.suffix == ".jsonl":
        return _rows_of_objects(records, required, optional, lists)
    return _rows_of_cells(path, records, required, optional, columns)


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
        columns = list(header.cells)
        where = f"{path}:{header.line}"
    for name in required:
        if name not in columns:
            raise unknown_name("column", name, columns, where)
    positions = {name: columns.index(name) for name in (*required, *optional) if name in columns}
    for name in positions:
        if columns.count(name) > 1:
            raise UserError(f"{where}: column {name!r} is named {columns.count(name)} times; name it once")
    for number, (line, cells) in enumerate(records):
        if len(cells) != len(columns):
            problem = f"row has {len(cells)} column(s), the file has {len(columns)}"
            yield TableRow(number, line, {}, problem)
        else:
            assert isinstance(cells, list)
            yield TableRow(number, line, {name: cells[at] for name, at in positions.items()})


def _rows_of_objects(
    records: Iterator[_Record], required: Sequence[str], optional: Sequence[str], lists: Sequence[str] = ()
) -> Iterator[TableRow]:
    """Yields rows that name their own columns."""
    for number, (line, value) in enumerate(records):
        assert isinstance(value, dict)
        missing = next((name for name in required if name not in value), None)
        if missing is not None:
            yield TableRow(number, line, {}, str(unknown_name("column", missing, value)))
            continue
        cells = {name: value[name] for name in (*required, *optional) if name in value}
        cells.update({name: json.dumps(cells[name]) for name in lists if isinstance(cells.get(name), list)})
        nested = next((name for name, cell in cells.items() if isinstance(cell, (list, dict))), None)
        if nested is not None:
            problem = f"column {nested!r} takes text or a number, {json.dumps(cells[nested])[:60]} given"
            yield TableRow(number, line, {}, problem)
        else:
            yield TableRow(number, line, cells)


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    """Yields a file's lines without their ends, numbered from 1; blank lines at its end are left out."""
    blank: list[int] = []
    try:
        with path.open("rb") as file:
            for number, encoded in enumerate(file, 1):
                try:
                    line = encoded.decode("utf-8")
                except UnicodeDecodeError as error:
                    raise UserError(
                        f"{path}:{number}: not UTF-8, its byte {error.start + 1} is"
                        f" 0x{encoded[error.start]:02x}; convert the file to UTF-8"
                    ) from None
                if number == 1:
                    line = line.removeprefix("\ufeff")
                line = line.removesuffix("\n").removesuffix("\r")
                if not line:
                    blank.append(number)
                    continue
                yield from ((earlier, "") for earlier in blank)
                blank.clear()
                yield number, line
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror})") from None


def _tsv_records(path: Path) -> Iterator[_Record]:
    """Yields tab-separated rows; quotes are text."""
    for number, line in _lines(path):
        yield _Record(number, line.split("\t"))


def _csv_records(path: Path) -> Iterator[_Record]:
    """Yields comma-separated rows; a quoted cell may hold commas, doubled quotes and line breaks."""
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
        yield _Record(line_numbers[0], [cell.replace(_NUL_STAND_IN, "\0") for cell in cells or [""]])


def _jsonl_records(path: Path) -> Iterator[_Record]:
    """Yields objects of JSON; numbers as they are spelled, true and false by name."""
    for number, line in _lines(path):
        where = f"{path}:{number}"
        try:
            value = json.loads(
                line, parse_int=str, parse_float=str, parse_constant=str, object_pairs_hook=object_without_repetition
            )
        except json.JSONDecodeError as error:
            raise UserError(f"{where}: not JSON ({error.msg} at column {error.colno})") from None
        except (ValueError, RecursionError) as error:
            raise UserError(f"{where}: not accepted JSON ({error})") from None
        if not isinstance(value, dict):
            raise UserError(f"{where}: a line takes one JSON object, {line[:60]!r} given")
        cells = {name: str(cell).lower() if isinstance(cell, bool) else cell for name, cell in value.items()}
        if "\\u" in line and not all(_is_encodable(cell) for cell in cells.values()):
            raise UserError(f"{where}: a text holds half a surrogate pair, which is no character")
        yield _Record(number, cells)


def _is_encodable(cell: Any) -> bool:
    """Returns whether a cell can be written as UTF-8; half a surrogate pair cannot."""
    try:
        str(cell).encode()
    except UnicodeEncodeError:
        return False
    return True


def read_table(path: Path) -> tuple[list[str] | None, Iterator[TableRow]]:
    """Returns what a file with a header row holds, as `read_rows` reads it, in every column it has.

    Args:
        path: The file; .tsv, .csv or .jsonl.

    Returns:
        The names of the columns, None for JSONL, whose rows name their own; and the rows.

    Raises:
        UserError: As of `read_rows`; the rows raise it where they are read.
    """
    if path.suffix == ".jsonl":
        return None, _objects(path)
    header = next((_csv_records if path.suffix == ".csv" else _tsv_records)(path), None)
    columns = [] if header is None else list(header.cells)
    return columns, read_rows(path, columns)


def _objects(path: Path) -> Iterator[TableRow]:
    """Yields rows that name their own columns, with all of them."""
    for number, record in enumerate(_jsonl_records(path)):
        assert isinstance(record.cells, dict)
        for row in _rows_of_objects(iter([record]), list(record.cells), ()):
            yield row._replace(number=number)
