"""Tables of text: aligned columns for terminals, Markdown for pages, TSV, CSV and JSONL for files."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from mtdnn_tf.errors import UserError

_FORMATS = (".tsv", ".jsonl")
Rows = Sequence[Sequence[str]]


def aligned_table(rows: Rows, num_text_columns: int = 1) -> str:
    """Returns rows of cells as lines of aligned columns.

    Args:
        rows: Cells by row, as many in each; the first row is the header.
        num_text_columns: Number of columns, from the first, that are aligned to the left. Defaults to 1.
    """
    widths = [max(map(len, column)) for column in zip(*rows)]
    pads = [str.ljust if column < num_text_columns else str.rjust for column in range(len(widths))]
    lines = ("  ".join(pad(cell, width) for pad, cell, width in zip(pads, row, widths)) for row in rows)
    return "".join(f"{line.rstrip()}\n" for line in lines)


def markdown_table(rows: Rows, num_text_columns: int = 1) -> str:
    """Returns rows of cells as a Markdown table; the arguments are those of `aligned_table`."""
    header, *body = rows
    rule = ["---" if column < num_text_columns else "---:" for column in range(len(header))]
    # A bar would end the cell.
    escaped = ([cell.replace("|", "\\|") for cell in row] for row in [header, rule, *body])
    return "".join(f"| {' | '.join(row)} |\n" for row in escaped)


def csv_table(rows: Iterable[Sequence[object]]) -> str:
    """Returns rows as CSV."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue()


def check_format(path: Path, what: str) -> None:
    """Refuses a file to write whose ending is neither .tsv nor .jsonl."""
    if path.suffix not in _FORMATS:
        raise UserError(f"{path}: {what} must be written to a file ending in {' or '.join(_FORMATS)}")


def tsv_text(path: Path, rows: Rows) -> str:
    """Returns the content of a TSV file; refuses cells that it cannot hold, naming the first cell of the row."""
    for row in rows:
        if any(character in cell for cell in row for character in "\t\n\r"):
            raise UserError(f"{path}: {row[0]!r} holds a tab or line break, which a .tsv cannot; write a .jsonl")
    return "".join("\t".join(row) + "\n" for row in rows)


def jsonl_text(rows: Iterable[Mapping[str, Any]]) -> str:
    """Returns the content of a JSONL file."""
    return "".join(json.dumps(row, ensure_ascii=False, allow_nan=False) + "\n" for row in rows)
