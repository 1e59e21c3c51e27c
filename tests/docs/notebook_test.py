"""The notebook's cells run as they are written, made small."""

from __future__ import annotations

import json
import os
import subprocess
import sys
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
