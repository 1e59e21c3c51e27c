"""A clock that is set back, within a training or between two, changes nothing."""

from __future__ import annotations

import contextlib
import re
import signal
import time
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.helpers import write_huggingface_folder, write_tasks
from tests.tools.binaries import Binaries

_LIBRARIES = Path("/usr/lib").glob("*/faketime/libfaketime.so.1")


def _clock(file: Path) -> Mapping[str, str]:
    """Returns the environment of processes that add what a file holds, such as -7d, to the time of day."""
    library = next(_LIBRARIES, None)
    if library is None:
        pytest.skip("needs libfaketime")
    fixed = {"FAKETIME_DONT_FAKE_MONOTONIC": "1", "FAKETIME_NO_CACHE": "1"}
    return {"LD_PRELOAD": str(library), "FAKETIME_TIMESTAMP_FILE": str(file), **fixed}


def _training(folder: Path, run: Path) -> list[str]:
    return [
        f"--task_file={folder / 'tasks' / 'tasks.yaml'}",
        f"--cache_dir={folder / 'cache'}",
        f"--backbone={folder / 'bert'}",
        f"--output_dir={run}",
        *("--max_sequence_length=32", "--epochs=6", "--batch_size=8", "--learning_rate=0.01"),
        *("--evaluation=every_epoch", "--checkpoint_interval=15"),
    ]


def _hours_behind(log: str) -> int:
    """Returns how many hours the time of a log's last line is behind that of the machine, from 0 to 23."""
    hour, minute = map(int, re.findall(r"^(\d\d):(\d\d):\d\d ", log, re.MULTILINE)[-1])
    now = time.localtime()
    return round((60 * (now.tm_hour - hour) + now.tm_min - minute) / 60) % 24


@pytest.mark.slow
def test_a_clock_that_is_set_back_changes_no_weight(tmp_path: Path) -> None:
    clock, run, whole = tmp_path / "clock", tmp_path / "run", tmp_path / "whole"
    write_huggingface_folder(tmp_path / "bert")
    write_tasks(tmp_path / "tasks")
    clock.write_text("+0")
    with contextlib.closing(Binaries(_clock(clock))) as binaries:
        result = binaries.run("train", *_training(tmp_path, whole))
        assert (result.status, _hours_behind(result.stderr)) == (0, 0)
        running = binaries.start("train", *_training(tmp_path, run))
        running.wait_for((run / "checkpoints" / "ckpt-15").exists)
        clock.write_text("-7h")
        running.wait_for((run / "checkpoints" / "ckpt-60").exists)
        running.send(signal.SIGKILL)
        result = running.wait()
        assert (result.status, _hours_behind(result.stderr)) == (-signal.SIGKILL, 7)
        clock.write_text("-250h")
        result = binaries.run("train", *_training(tmp_path, run))
        assert (result.status, _hours_behind(result.stderr)) == (0, 10)
        assert "continues at step" in result.stderr
    name = Path("model", "weights.safetensors")
    assert (run / name).read_bytes() == (whole / name).read_bytes()
