"""The notebook's cells run as they are written, made small; it holds the outputs of a whole run."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).parents[2]
NOTEBOOK = ROOT / "docs" / "notebooks" / "distil_in_ten_minutes.ipynb"
SMALL = {
    'write_demo_corpus(folder / "corpus")': 'write_demo_corpus(folder / "corpus", 0, 16, 8, 12, 4)',
    '"backbone": "demo"': '"backbone": "tiny"',
    '"epochs": 6': '"epochs": 1',
    '"max_sequence_length": 64': '"max_sequence_length": 16',
}


def test_the_cells_run(tmp_path):
    cells = json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"]
    code = "\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "code")
    for found, small in SMALL.items():
        assert code.count(found) == 1
        code = code.replace(found, small)
    variables = {**os.environ, "MPLBACKEND": "agg", "PYTHONPATH": str(ROOT)}
    result = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=variables, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr
    assert "multi-task" in result.stdout and "student" in result.stdout
    assert (tmp_path / "runs" / "notebook" / "export" / "1" / "saved_model.pb").is_file()


def test_the_outputs_are_of_a_whole_run_and_small():
    cells = [cell for cell in json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"] if cell["cell_type"] == "code"]
    assert [cell["execution_count"] for cell in cells] == list(range(1, len(cells) + 1))
    outputs = [output for cell in cells for output in cell["outputs"]]
    assert Counter(kind for output in outputs for kind in output.get("data", {}))["image/png"] == 1
    assert {output.get("name") for output in outputs} <= {"stdout", None}
    assert NOTEBOOK.stat().st_size < 100_000
