"""The table of families of docs/checkpoints.md, each cell by doing what its column says."""

from __future__ import annotations

import re
from pathlib import Path

from mtdnn_tf.errors import UserError
from mtdnn_tf.modeling.checkpoints.families import FAMILIES
from mtdnn_tf.text_tables import markdown_table
from tests.families.encoder_case import CHECKS, GOLDEN, EncoderCase
from tests.transformers_families import CASES

PAGE = Path(__file__).resolve().parents[2] / "docs" / "checkpoints.md"
_TABLE = re.compile(r"(?<=<!-- families -->\n)(?:\|.*\n)*")


class Cells:
    """The cells, each computed once.

    Args:
        work: Folder for what is made of the encoders.
        golden: Folder of the encoders, by the names of `CASES`.
    """

    def __init__(self, work: Path, golden: Path = GOLDEN) -> None:
        self._cases = {name: EncoderCase(golden / name, work / name) for name in CASES}
        self._known: dict[tuple[str, str], str] = {}

    def cell(self, family: str, column: str) -> str:
        """Returns "yes", or "no" with the reason why an encoder of the family was refused.

        Raises:
            AssertionError: What was made is wrong.
        """
        if (family, column) not in self._known:
            self._known[family, column] = self._computed(family, column)
        return self._known[family, column]

    def _computed(self, family: str, column: str) -> str:
        cases = [case for name, case in self._cases.items() if name.partition("_")[0] == family]
        assert cases, f"tests/transformers_families.py has no encoder of {family}"
        for case in cases:
            case.work.mkdir(parents=True, exist_ok=True)
            try:
                CHECKS[column](case)
            except UserError as error:
                # Without the folders, which are others in every run.
                return f"no: {str(error).replace(f'{case.folder}/', '').replace(f'{case.work}/', '')}"
        return "yes"

    def table(self) -> str:
        """Returns the table."""
        rows = [(f"`{family}`", *(self.cell(family, column) for column in CHECKS)) for family in FAMILIES]
        return markdown_table([("`model_type`", *CHECKS), *rows], num_text_columns=1 + len(CHECKS))


def table_of(text: str) -> str:
    """Returns the table of the page with this text."""
    (table,) = _TABLE.findall(text)
    return str(table)


def with_table(text: str, table: str) -> str:
    """Returns the text of a page with another table."""
    return _TABLE.sub(lambda _: table, text)
