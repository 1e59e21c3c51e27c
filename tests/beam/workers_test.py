"""`beam_score` as a program, with worker processes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("apache_beam", reason="apache-beam is not installed (it needs Python 3.10)")

from mtdnn_tf.distillation.soft_targets import read_soft_targets
from tests.beam.conftest import Teachers

ROOT = Path(__file__).parents[2]
TWO_PROCESSES = ("--beam=direct_running_mode=multi_processing", "--beam=direct_num_workers=2")


def _command(teachers: Teachers, output_dir: Path, *flags: str) -> list[str]:
    return [
        *(sys.executable, "-m", "tools.beam_score", f"--teachers={','.join(map(str, teachers.exports))}"),
        *(f"--task_file={teachers.task_file}", f"--data_dir={teachers.folder}", f"--output_dir={output_dir}"),
        *("--num_shards=4", "--batch_size=8", *flags),
    ]


def _run(*command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


@pytest.mark.slow
def test_two_processes_write_what_one_writes(teachers: Teachers, tmp_path):
    for name, flags in (("one", ()), ("two", TWO_PROCESSES)):
        result = _run(*_command(teachers, tmp_path / name, "--tasks=answers,entailment", *flags))
        assert result.returncode == 0, result.stderr[-3000:]
        assert "soft targets of 2 teachers for answers, entailment" in result.stderr
    for name in ("answers", "entailment"):
        one, two = (read_soft_targets(tmp_path / folder / name) for folder in ("one", "two"))
        assert one.manifest["data_fingerprint"] == two.manifest["data_fingerprint"]
        assert one.example_ids == two.example_ids
        assert np.array_equal(one.predictions, two.predictions)


@pytest.mark.slow
def test_a_killed_command_continues_after_its_last_range(teachers: Teachers, tmp_path):
    flags = ("--tasks=topics", "--num_shards=40", *TWO_PROCESSES)
    ranges = tmp_path / "out" / "_beam" / "topics-train" / "ranges"
    with (tmp_path / "log").open("w") as log:
        command = subprocess.Popen(
            _command(teachers, tmp_path / "out", *flags), cwd=ROOT, stderr=log, text=True, start_new_session=True
        )
        while len(list(ranges.glob("range-*"))) < 3:
            assert command.poll() is None, (tmp_path / "log").read_text()[-3000:]
            time.sleep(0.02)
        # With its workers.
        os.killpg(command.pid, signal.SIGKILL)
        assert command.wait() == -signal.SIGKILL
    assert not (tmp_path / "out" / "topics").exists()
    before = len(list(ranges.glob("range-*")))
    result = _run(*_command(teachers, tmp_path / "out", *flags))
    assert result.returncode == 0, result.stderr[-3000:]
    assert f"{ranges}: {before} of 40 ranges were done before" in result.stderr
    assert _run(*_command(teachers, tmp_path / "whole", *flags)).returncode == 0
    found, expected = (
        {path.relative_to(folder).as_posix(): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}
        for folder in (tmp_path / "out" / "topics", tmp_path / "whole" / "topics")
    )
    assert len(expected) > 40 and found == expected
