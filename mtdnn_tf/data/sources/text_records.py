"""Records of TSV, CSV and JSONL files, plain or compressed with gzip, with their lines."""

from __future__ import annotations

import csv
import gzip
import json
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any, NamedTuple, cast

from mtdnn_tf.errors import UserError, one_line, raise_error, unknown_name
from mtdnn_tf.json_files import object_without_repetition
from mtdnn_tf.tasks.file_formats import CSV, ENDINGS, GZIP, JSONL, TEXT_ENDINGS, TSV, ending_of

# csv refuses NUL before Python 3.11. This code point is no character and is in no text.
_NUL_STAND_IN = "\U0010ffff"


class Record(NamedTuple):
    """One row before its columns are named: cells in the file's order, a JSON object, or None for a blank line."""

    line: int
    cells: list[str] | dict[str, Any] | None


def read_records(
    path: Path, quoting: bool = False, refuse: Callable[[UserError], None] = raise_error
) -> Iterator[Record]:
    r"""Yields the records of a UTF-8 file whose ending is its format.

    CSV quotes as RFC 4180 does, JSONL has an object per line. Lines end at "\n" or "\r\n" and nowhere else: sentences
    have other separators.

    Args:
        path: The file; its ending is one of `TEXT_ENDINGS`.
        quoting: Whether cells of TSV are quoted like those of CSV. Defaults to False: quotes are text.
        refuse: Is given the error of a line that cannot be read; if it returns, the line is left out. What ends the
            file early, such as a quote that is not closed, is always raised. Defaults to raising.
    """
    if ending_of(path) not in TEXT_ENDINGS:
        raise unknown_name("ending of a data file", ending_of(path), ENDINGS, str(path))
    text_format = ending_of(path).removesuffix(GZIP)
    if text_format == JSONL:
        return _jsonl_records(path, refuse)
    if text_format == TSV and not quoting:
        return _tsv_records(path, refuse)
    return _quoted_records(path, *(("CSV", ",") if text_format == CSV else ("quoted TSV", "\t")))


def has_blank_last_rows(path: Path) -> bool:
    """Returns whether a file of one column, as far as its first line shows, ends with blank lines."""
    with path.open("rb") as file:
        first = file.readline()
        file.seek(max(0, path.stat().st_size - 3))
        end = file.read().removesuffix(b"\n")
    # Every line of JSONL has the empty separator.
    separator = {TSV: b"\t", CSV: b","}.get(path.suffix, b"")
    return separator not in first and end.endswith((b"\n", b"\n\r"))


def _lines(path: Path, refuse: Callable[[UserError], None] = raise_error) -> Iterator[tuple[int, str]]:
    """Yields a file's lines without their ends, numbered from 1."""
    number = 0
    try:
        with _opened(path) as file:
            for number, encoded in enumerate(file, 1):
                try:
                    line = encoded.decode("utf-8")
                except UnicodeDecodeError as error:
                    wrong = f"its byte {error.start + 1} is 0x{encoded[error.start]:02x}"
                    refuse(UserError(f"{path}:{number}: not UTF-8, {wrong}; convert the file to UTF-8"))
                    continue
                if number == 1:
                    line = line.removeprefix("\ufeff")
                yield number, line.removesuffix("\n").removesuffix("\r")
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise UserError(f"{path}:{number + 1}: not gzip, or damaged ({one_line(error)})") from None
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror})") from None


def _opened(path: Path) -> IO[bytes]:
    file = path.open("rb")
    return cast("IO[bytes]", gzip.open(file)) if path.suffix == GZIP else file


def _tsv_records(path: Path, refuse: Callable[[UserError], None]) -> Iterator[Record]:
    """Yields tab-separated rows; quotes are text."""
    return (Record(number, line.split("\t") if line else None) for number, line in _lines(path, refuse))


def _quoted_records(path: Path, name: str, delimiter: str) -> Iterator[Record]:
    """Yields rows in which a quoted cell may have delimiters, doubled quotes and line breaks."""
    csv.field_size_limit(1 << 30)
    line_numbers: list[int] = []

    def lines() -> Iterator[str]:
        for number, line in _lines(path):
            line_numbers.append(number)
            yield line.replace("\0", _NUL_STAND_IN) + "\n"

    # Not strict, csv would take a forgotten quote for one cell up to the end of the file.
    reader = csv.reader(lines(), delimiter=delimiter, strict=True)
    while True:
        line_numbers.clear()
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            raise UserError(f"{path}:{line_numbers[0]}: not {name} ({error})") from None
        yield Record(line_numbers[0], [cell.replace(_NUL_STAND_IN, "\0") for cell in cells] or None)


def _jsonl_records(path: Path, refuse: Callable[[UserError], None]) -> Iterator[Record]:
    """Yields JSON objects; numbers as they are spelled, true and false by name."""
    for number, line in _lines(path, refuse):
        try:
            record = Record(number, _json_cells(line, f"{path}:{number}") if line.strip() else None)
        except UserError as error:
            refuse(error)
            continue
        yield record


def _json_cells(line: str, where: str) -> dict[str, Any]:
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
    return cells
