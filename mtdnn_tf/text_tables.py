"""Tables of text: aligned columns for terminals, Markdown for pages, CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence

Rows = Sequence[Sequence[str]]


def aligned_table(rows: Rows, num_text_columns: int = 1) -> str:
    """Returns rows of cells as lines of aligned columns.

    Args:
        rows: Cells by row, as many in each; the first row is the header.
        num_text_columns: Number of columns, from the first, that are aligned to the left. Defaults to 1.
    """
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = []
    for row in rows:
        cells = [
            cell.ljust(width) if column < num_text_columns else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths))
        ]
        lines.append("  ".join(cells).rstrip())
    return "".join(f"{line}\n" for line in lines)


def markdown_table(rows: Rows, num_text_columns: int = 1) -> str:
    """Returns rows of cells as a Markdown table; the arguments are those of `aligned_table`."""
    header, *body = rows
    rule = ["---" if column < num_text_columns else "---:" for column in range(len(header))]
    # A bar would end the cell.
    return "".join(
        f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in row)} |\n" for row in [header, rule, *body]
    )


def csv_table(rows: Iterable[Sequence[object]]) -> str:
    """Returns rows as CSV."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue()
