"""Signals and second processes, sent to and started as real processes."""

from __future__ import annotations

import re
import signal
from pathlib import Path

import pytest

from tests.helpers import write_tasks
from tests.tools.binaries import Binaries, Running
from tests.tools.conftest import Trained


def _flags(trained: Trained, run: Path, epochs: int = 6, interval: int = 1000) -> list[str]:
    return [
        *trained.flags,
        f"--backbone={trained.folder / 'bert'}",
        f"--output_dir={run}",
        f"--epochs={epochs}",
        f"--checkpoint_interval={interval}",
        *("--max_sequence_length=32", "--batch_size=8", "--learning_rate=0.01", "--evaluation=end"),
    ]


def _weights(run: Path) -> bytes:
    return (run / "model" / "weights.safetensors").read_bytes()


def _log(running: Running) -> str:
    return running.stderr.read_text(encoding="utf-8")


def _errors(stderr: str) -> list[str]:
    return [line for line in stderr.splitlines() if not line[:1].isdigit()]


@pytest.fixture(scope="module")
def whole(binaries: Binaries, trained: Trained, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that nothing stopped."""
    run = tmp_path_factory.mktemp("whole") / "run"
    assert binaries.run("train", *_flags(trained, run)).status == 0
    return run


@pytest.mark.parametrize(("number", "status"), [(signal.SIGTERM, 75), (signal.SIGINT, 130)])
def test_a_signal_leaves_a_checkpoint_and_the_same_command_continues(
    binaries, trained: Trained, whole: Path, tmp_path, number, status
):
    run = tmp_path / "run"
    running = binaries.start("train", *_flags(trained, run))
    running.wait_for(lambda: "epoch 2 of 6" in _log(running))
    # As timeout(1) does, to the process and to its group.
    running.send(number)
    running.send(number)
    result = running.wait()
    assert result.status == status, result.stderr
    (line,) = _errors(result.stderr)
    found = re.fullmatch(rf"stopped by {number.name} at step (\d+) of {run}; the same command continues", line)
    assert found, line
    step = int(found[1])
    assert 30 <= step < 90
    assert [path.name for path in (run / "checkpoints").iterdir()] == [f"ckpt-{step}"]
    result = binaries.run("train", *_flags(trained, run))
    assert result.status == 0, result.stderr
    assert f"continues at step {step} of 90" in result.stderr
    assert _weights(run) == _weights(whole)


def test_a_signal_ends_the_wait_for_another_process(binaries, trained: Trained, tmp_path):
    # It waits for a lock that the test holds.
    import fcntl

    task_file = write_tasks(tmp_path / "tasks")
    flags = (f"--task_file={task_file}", f"--cache_dir={tmp_path / 'cache'}", "--tasks=mood", "--backbone=tiny")
    assert binaries.run("encode", *flags).status == 0
    folder = next((tmp_path / "cache" / "mood").glob("train-*"))
    folder.rename(tmp_path / "away")
    with (folder.parent / f".{folder.name}.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        running = binaries.start("encode", *flags)
        running.wait_for(lambda: "waiting for another process" in _log(running))
        running.send(signal.SIGTERM)
        result = running.wait()
    assert (result.status, _errors(result.stderr)) == (75, ["stopped by SIGTERM; the same command continues"])


def test_a_second_training_is_refused_while_the_first_lives_and_takes_over_when_it_is_dead(
    binaries, trained: Trained, whole: Path, tmp_path
):
    run = tmp_path / "run"
    first = binaries.start("train", *_flags(trained, run, interval=20))
    first.wait_for(lambda: "epoch 2 of 6" in _log(first))
    first.send(signal.SIGSTOP)
    result = binaries.run("train", *_flags(trained, run, interval=20))
    assert result.status == 1
    assert _errors(result.stderr) == [
        f"error: --output_dir {run}: in use by {(run / '.lock').read_text()}; wait until it ends, or use another path"
    ]
    assert f"process {first.pid} of " in result.stderr
    first.send(signal.SIGKILL)
    assert first.wait().status == -signal.SIGKILL
    assert (run / ".lock").exists()
    result = binaries.run("train", *_flags(trained, run, interval=20))
    assert result.status == 0, result.stderr
    assert re.search(r"continues at step [2-8]0 of 90", result.stderr)
    assert _weights(run) == _weights(whole)
    assert [path.name for path in run.iterdir() if path.name.startswith(".")] == []
