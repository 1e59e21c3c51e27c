"""Forty trainings in one process need no more memory than five."""

from __future__ import annotations

import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.helpers import write_huggingface_folder, write_tasks

ROOT = Path(__file__).parents[2]
_SEEDS = 19


@pytest.mark.slow
def test_memory_does_not_grow_with_the_number_of_trainings(tmp_path: Path, record_property) -> None:
    write_huggingface_folder(tmp_path / "bert")
    flags = {
        "task_file": write_tasks(tmp_path / "tasks"),
        "tasks": "mood",
        "teacher_tasks": "mood",
        "backbone": tmp_path / "bert",
        "output_dir": tmp_path / "recipe",
        "cache_dir": tmp_path / "cache",
        "max_sequence_length": 32,
        "batch_size": 8,
        "epochs": 2,
        "learning_rate": 0.01,
        "evaluation": "end",
        "dropouts": "0.0,0.1",
        "top_k": 1,
        "seeds": ",".join(map(str, range(_SEEDS))),
    }
    log = tmp_path / "log"
    megabytes: dict[int, int] = {}
    command = [sys.executable, "-m", "tools.recipe", *(f"--{name}={value}" for name, value in flags.items())]
    with log.open("w") as file, subprocess.Popen(command, cwd=ROOT, stderr=file, stdout=file) as process:
        while process.poll() is None:
            found = re.search(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{process.pid}/status").read_text())
            trained = sum(1 for _ in (tmp_path / "recipe").rglob("model/weights.safetensors"))
            if found:
                megabytes[trained] = max(megabytes.get(trained, 0), int(found[1]) // 1024)
            time.sleep(0.2)
    assert process.returncode == 0, log.read_text()[-2000:]
    trainings = max(megabytes)
    assert trainings == 2 + 2 * _SEEDS
    early, late = (
        max(size for at, size in megabytes.items() if after <= at < after + 5) for after in (4, trainings - 4)
    )
    record_property("note", f"{early} MB with trainings 5 to 9, {late} MB with the last ones")
    assert late < 1.15 * early, megabytes
