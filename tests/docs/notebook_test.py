"""The notebook's cells run as they are written, made small; it holds the outputs of a whole run."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
NOTEBOOK = ROOT / "docs" / "notebooks" / "distil_in_ten_minutes.ipynb"
SMALL = {
    'write_demo_corpus(folder / "corpus")': 'write_demo_corpus(folder / "corpus", 0, 16, 8, 12, 4)',
    '"backbone": "demo"': '"backbone": "tiny"',
    '"epochs": 6': '"epochs": 1',
    '"max_sequence_length": 64': '"max_sequence_length": 16',
}


# In percent, of the student of the quickstart in README, which has the same messages and as many steps.
QUICKSTART = 88.3


def _code() -> str:
    cells = json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"]
    return "\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "code")


def _run(code: str, folder: Path) -> str:
    variables = {**os.environ, "MPLBACKEND": "agg", "PYTHONPATH": str(ROOT)}
    result = subprocess.run(
        [sys.executable, "-c", code], cwd=folder, env=variables, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr
    return result.stdout


def test_the_cells_run(tmp_path):
    code = _code()
    for found, small in SMALL.items():
        assert code.count(found) == 1
        code = code.replace(found, small)
    printed = _run(code, tmp_path)
    assert "multi-task" in printed and "student" in printed
    assert (tmp_path / "runs" / "notebook" / "export" / "1" / "saved_model.pb").is_file()


@pytest.mark.slow
@pytest.mark.real_data
def test_the_student_is_as_good_as_the_quickstarts(tmp_path):
    assert (
        f"distilled student           90.9  87.7     86.5                {QUICKSTART}"
        in (ROOT / "README.md").read_text()
    )
    rows = [line.rsplit(maxsplit=4) for line in _run(_code(), tmp_path).splitlines()]
    averages = {row[0]: float(row[-1]) for row in rows if len(row) == 5 and row[0] in ("multi-task", "student")}
    assert averages["student"] > averages["multi-task"]
    # Its teachers differ by seed, those of the quickstart by dropout, too.
    assert averages["student"] > QUICKSTART - 2


def test_the_outputs_are_of_a_whole_run_and_small():
    cells = [cell for cell in json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"] if cell["cell_type"] == "code"]
    assert [cell["execution_count"] for cell in cells] == list(range(1, len(cells) + 1))
    outputs = [output for cell in cells for output in cell["outputs"]]
    assert Counter(kind for output in outputs for kind in output.get("data", {}))["image/png"] == 1
    assert {output.get("name") for output in outputs} <= {"stdout", None}
    assert NOTEBOOK.stat().st_size < 100_000
