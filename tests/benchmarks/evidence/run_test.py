"""A block that is killed and continued elsewhere, with a tiny encoder."""

import json
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.command_line import InputError
from benchmarks.evidence.__main__ import main
from benchmarks.evidence.plan import read_plan
from benchmarks.evidence.results import run_block
from tests.benchmarks.evidence.small_study import write_plan, write_suite
from tests.helpers import write_huggingface_folder

ROOT = Path(__file__).parents[3]


def _start(folder: Path) -> "subprocess.Popen[str]":
    flags = [f"--suite_dir={folder / 'suite'}", f"--output_dir={folder / 'out'}", "--blocks=ensemble_1"]
    command = [sys.executable, "-m", "benchmarks.evidence", f"--plan={folder / 'plan.yaml'}", "run", *flags]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_a_killed_block_continues_elsewhere_and_measures_test_rows_once_at_its_end(tmp_path):
    write_huggingface_folder(tmp_path / "bert")
    write_plan(tmp_path / "plan.yaml", str(tmp_path / "bert"))
    write_suite(tmp_path / "suite")
    with _start(tmp_path) as process:
        assert process.stderr is not None
        for line in process.stderr:
            if re.search(r"training 4 of 13: ", line):
                process.send_signal(signal.SIGKILL)
        process.communicate()
    block, results = tmp_path / "out" / "ensemble_1", tmp_path / "out" / "ensemble_1.json"
    done = {path: path.stat().st_mtime_ns for path in (block / "predictions").rglob("*.npz")}
    assert len(done) == 3 and not results.exists()
    for path in block.iterdir():
        if path.is_dir() and path.name not in ("predictions", "soft_targets"):
            shutil.rmtree(path)
    with _start(tmp_path) as process:
        output, log = process.communicate()
    assert process.returncode == 0, log
    assert output.splitlines()[-1] == str(results)
    assert {path: path.stat().st_mtime_ns for path in done} == done
    assert "accuracy" not in output + log
    found = json.loads(results.read_text(encoding="utf-8"))
    assert [cost["name"] for cost in found["cost"]][:2] == ["ensemble", "multi_task"]
    assert found["cost"][0]["parameters"] == 2 * found["cost"][1]["parameters"]
    models = {(model["arm"], model["seed"]) for model in found["models"]}
    assert {("ensemble", 1), ("multi_task", 2), ("student_transfer", 3), ("adaptation/plain/8", 1)} <= models
    student = next(model for model in found["models"] if model["arm"] == "student")
    by_split = {(result["task"], result["split"]): result for result in student["results"]}
    assert list(by_split) == [
        *(("nli", split) for split in ("validation", "test", "other_domain")),
        *(("closeness", split) for split in ("validation", "test")),
    ]
    assert by_split["nli", "test"]["rows"] == 30
    assert 0 <= by_split["nli", "test"]["agreement"] <= 1
    assert set(by_split["nli", "test"]["calibration"]) == {"ece", "nll", "brier"}
    assert "training multi_task/seed_1 again" in log and "training student/seed_3 again" in log
    assert "training multi_task/seed_2 again" not in log
    # What others start from is kept, the rest is not.
    assert (block / "student" / "seed_3" / "model").is_dir()
    assert not (block / "single_task" / "nli" / "seed_1" / "model").exists()
    before = results.stat().st_mtime_ns
    run_block(read_plan(tmp_path / "plan.yaml"), "ensemble_1", tmp_path / "suite", tmp_path / "out")
    assert results.stat().st_mtime_ns == before


@pytest.mark.parametrize("given", ["ensemble_1,ensemble_3", ""])
def test_blocks_that_are_not_planned_are_refused(tmp_path, monkeypatch, given):
    flags = [
        f"--plan={write_plan(tmp_path / 'plan.yaml')}",
        "run",
        f"--suite_dir={tmp_path}",
        f"--output_dir={tmp_path}",
    ]
    monkeypatch.setattr(sys, "argv", ["evidence", *flags, f"--blocks={given}"])
    with pytest.raises(InputError, match="--blocks must be of ensemble_1, ensemble_2, equal_steps, got"):
        main()
