"""The table of families of docs/checkpoints.md is what comes out when each cell's work is done."""

import json
import shutil

import pytest

from mtdnn_tf.modeling.checkpoints.families import FAMILIES
from tests.families.__main__ import main
from tests.families.encoder_case import CHECKS, GOLDEN
from tests.families.table import PAGE, Cells, table_of


@pytest.fixture(name="cells", scope="module")
def _cells(tmp_path_factory):
    return Cells(tmp_path_factory.mktemp("families"))


@pytest.mark.parametrize("column", CHECKS)
@pytest.mark.parametrize("family", FAMILIES)
def test_each_cell_is_that_of_the_page(cells, family, column):
    header, _, *rows = ([cell.strip() for cell in line.split("|")[1:-1]] for line in table_of(_page()).splitlines())
    (row,) = (row for row in rows if row[0] == f"`{family}`")
    assert cells.cell(family, column) == dict(zip(header, row))[column]


def test_the_page_has_the_table_that_is_computed(cells):
    computed = cells.table()
    assert table_of(_page()) == computed, f"python -m tests.families --write makes it this table:\n{computed}"


def test_the_command_prints_the_table_and_writes_it(cells, tmp_path, capsys):
    copy = tmp_path / "page.md"
    copy.write_text(_page().replace("| `albert` | yes |", "| `albert` | no |"), encoding="utf-8")
    main([], cells, copy)
    assert capsys.readouterr().out == table_of(_page())
    assert copy.read_text(encoding="utf-8") != _page()
    main(["--write"], cells, copy)
    assert copy.read_text(encoding="utf-8") == _page()


def test_a_refusal_is_a_no_with_its_reason(tmp_path):
    for name in ("electra", "electra_wide"):
        shutil.copytree(GOLDEN / name, tmp_path / "golden" / name)
    config = tmp_path / "golden" / "electra_wide" / "config.json"
    config.write_text(json.dumps({**json.loads(config.read_text()), "is_decoder": True}))
    cells = Cells(tmp_path / "work", tmp_path / "golden")
    assert cells.cell("electra", "read") == "no: config.json: is_decoder must be False, got True"


def _page():
    return PAGE.read_text(encoding="utf-8")
