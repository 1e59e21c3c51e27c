"""A recipe that is killed in every stage ends with the files of one that is not."""

import hashlib
import random
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.helpers import write_huggingface_folder, write_tasks

ROOT = Path(__file__).parents[2]
# Times and TensorBoard's events; names of functions in a graph count what the process has traced before; checksums of
# these, and of a report's flags, which name the output folder.
_MAY_DIFFER = re.compile(r"(^|/)logs/|^export/1/(saved_model|fingerprint)\.pb$|^(export/1|report)/manifest\.json$")


def _command(folder: Path, output: Path) -> list[str]:
    flags = {
        "output_dir": output,
        "cache_dir": folder / "cache",
        "task_file": folder / "tasks" / "tasks.yaml",
        "backbone": folder / "bert",
        "max_sequence_length": 32,
        "batch_size": 8,
        "epochs": 3,
        "learning_rate": 0.01,
        "checkpoint_interval": 4,
        "evaluation": "every_epoch",
        "dropouts": "0.0,0.2",
        "top_k": 1,
        "teacher_tasks": "mood,similarity",
        "transfer_splits": "test",
        "seeds": "0,1",
        "teacher_folds": 2,
    }
    given = [f"--{name}={value}" for name, value in flags.items()]
    return [
        sys.executable,
        "-m",
        "tools.recipe",
        *given,
        "--single_task",
        "--fine_tune_teachers",
        "--fine_tune_student",
    ]


def _contents(output: Path) -> dict[str, str]:
    contents = {}
    for path in sorted(output.rglob("*")):
        name = path.relative_to(output).as_posix()
        if path.is_file() and not _MAY_DIFFER.search(name):
            content = path.read_bytes().replace(str(output).encode(), b"OUTPUT")
            contents[name] = hashlib.sha256(content).hexdigest()
    return contents


def _stage_seconds(command: list[str]) -> list[float]:
    """Runs a recipe to its end; returns how long each stage took."""
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        begun = [time.monotonic() for line in process.stderr if re.search(r": stage \d+ of \d+: ", line)]
    assert process.returncode == 0
    return [after - before for before, after in zip(begun, [*begun[1:], time.monotonic()], strict=True)]


def _run_until(command: list[str], stage: int, seconds: float) -> bool:
    """Kills a recipe so long after it has begun a stage; returns whether it came so far."""
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        begun = False
        for line in process.stderr:
            if re.search(rf": stage {stage} of \d+: ", line):
                begun = True
                break
        if begun:
            time.sleep(seconds)
            process.send_signal(signal.SIGKILL)
        process.communicate()
    return begun


@pytest.mark.slow
def test_a_recipe_killed_in_every_stage_ends_with_the_same_files(tmp_path, record_property):
    write_huggingface_folder(tmp_path / "bert")
    write_tasks(tmp_path / "tasks")
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    durations = _stage_seconds(_command(tmp_path, whole))
    assert len(durations) == 37
    moments = random.Random(1)
    kills = sum(
        _run_until(_command(tmp_path, killed), stage, moments.uniform(0.0, duration))
        for stage, duration in enumerate(durations, start=1)
    )
    record_property("trials", kills)
    # A stage that ends before the signal of the kill in it arrives may take the next one with it.
    assert kills >= len(durations) - 3
    subprocess.run(_command(tmp_path, killed), cwd=ROOT, check=True, capture_output=True)
    assert _contents(killed) == _contents(whole)
    assert len(_contents(whole)) > 150
