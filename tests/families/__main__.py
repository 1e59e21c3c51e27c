"""Prints the table of families of docs/checkpoints.md, computed.

python -m tests.families            prints it
python -m tests.families --write    also writes it into the page
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import mtdnn_tf.commands  # noqa: F401  # Silences what TensorFlow prints while it is imported.
from tests.families.table import PAGE, Cells, with_table


def main(arguments: list[str] | None = None, cells: Cells | None = None, page: Path = PAGE) -> None:
    """Prints the table, of cells that are known or else computed."""
    parser = argparse.ArgumentParser(
        "python -m tests.families", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--write", action="store_true", help="write the table into the page")
    flags = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as work:
        table = (cells or Cells(Path(work))).table()
    print(table, end="")
    if flags.write:
        page.write_text(with_table(page.read_text(encoding="utf-8"), table), encoding="utf-8")


if __name__ == "__main__":
    main()
