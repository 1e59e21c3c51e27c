"""The commands of docs/beam.md that need Apache Beam, as they are there."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

pytest.importorskip("apache_beam", reason="apache-beam is not installed (it needs Python 3.10)")

from mtdnn_tf.distillation.soft_targets import read_soft_targets
from tests.beam.conftest import Teachers
from tests.docs.pages import ROOT, read_pages
from tests.helpers import random_texts


def _run(program: str, teachers: Teachers, folder) -> None:
    """Runs the block of a program beside the files that it names; the data are in the folder that is the default."""
    (block,) = (block for block in read_pages()["docs/beam.md"].blocks if program in block.code)
    (folder / "exports").mkdir()
    for name, export in (("student", 0), ("teacher1", 0), ("teacher2", 1)):
        (folder / "exports" / name).symlink_to(teachers.exports[export])
    (folder / "my_data").symlink_to(teachers.folder)
    command = block.code.replace(".venv/bin/python", sys.executable)
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    result = subprocess.run(["bash", "-ec", command], cwd=folder, env=environment, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr[-3000:]


def test_predictions(teachers: Teachers, tmp_path):
    (tmp_path / "texts").mkdir()
    for part in range(2):
        table = pa.table({"sentence": random_texts(9, seed=part)})
        pq.write_table(table, tmp_path / "texts" / f"part-{part}.parquet")
    _run("tools.beam_predict", teachers, tmp_path)
    files = sorted((tmp_path / "predictions" / "topics-input").glob("predictions-*-of-*.jsonl"))
    rows = [json.loads(line) for path in files for line in path.read_text().splitlines()]
    expected = sorted(f"part-{part}.parquet:{number}" for part in range(2) for number in range(9))
    assert [row["id"] for row in rows] == expected
    assert all(set(row["probabilities"]) == {"a", "b", "c", "d"} for row in rows)


@pytest.mark.slow
def test_soft_targets(teachers: Teachers, tmp_path):
    _run("tools.beam_score", teachers, tmp_path)
    assert len(read_soft_targets(tmp_path / "soft_targets" / "topics").example_ids) == 50
