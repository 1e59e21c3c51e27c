"""A full disk and a folder that cannot be written end a binary with one line, and cost nothing that stood."""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from mtdnn_tf.manifests import read_manifest
from tests.tools.binaries import Binaries, Result
from tests.tools.conftest import Trained


@contextlib.contextmanager
def _small_disk(folder: Path, megabytes: int) -> Iterator[None]:
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", str(folder)]
    if os.geteuid() != 0 or subprocess.run(command, capture_output=True, check=False).returncode != 0:
        pytest.skip("a small disk is made by root alone")
    try:
        yield
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def _fill(folder: Path, left: int) -> Path:
    status = os.statvfs(folder)
    filler = folder / "filler"
    filler.write_bytes(b"0" * (status.f_bavail * status.f_frsize - left))
    return filler


def _flags(trained: Trained, run: Path) -> list[str]:
    return [
        *trained.flags,
        f"--backbone={trained.folder / 'bert'}",
        f"--output_dir={run}",
        *("--max_sequence_length=32", "--epochs=6", "--batch_size=8", "--learning_rate=0.01", "--evaluation=end"),
        "--checkpoint_interval=25",
    ]


def _line(result: Result) -> str:
    assert result.status == 1, result
    assert "Traceback" not in result.stderr
    (line,) = [line for line in result.stderr.splitlines() if not line[:1].isdigit()]
    return line


def test_a_disk_that_fills_up_keeps_the_last_checkpoint_and_the_command_continues(
    binaries: Binaries, trained: Trained, tmp_path: Path
) -> None:
    disk, whole = tmp_path / "disk", tmp_path / "whole"
    assert binaries.run("train", *_flags(trained, whole)).status == 0
    with _small_disk(disk, 24):
        run = disk / "run"
        running = binaries.start("train", *_flags(trained, run))
        running.wait_for((run / "checkpoints" / "ckpt-25").exists)
        filler = _fill(disk, left=50_000)
        line = _line(running.wait())
        assert line.startswith(f"error: {run / 'checkpoints' / 'ckpt-'}"), line
        assert "No space left on device; 0." in line
        assert "MB are free there; free some space" in line
        standing = list((run / "checkpoints").iterdir())
        assert standing
        for path in standing:
            assert not path.name.startswith(".")
            read_manifest(path, "")
        assert not (run / "model").exists()
        filler.unlink()
        result = binaries.run("train", *_flags(trained, run))
        assert result.status == 0, result.stderr
        assert "continues at step" in result.stderr
        name = Path("model") / "weights.safetensors"
        assert (run / name).read_bytes() == (whole / name).read_bytes()


def test_what_does_not_fit_on_a_disk_does_not_stand_on_it(
    binaries: Binaries, trained: Trained, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    disk = tmp_path / "disk"
    with _small_disk(disk, 1):
        _fill(disk, left=6_000)
        commands = {
            "export": ("export", f"--run={trained.runs[0]}", f"--export_dir={disk / 'export'}"),
            "encode": (
                *("encode", trained.flags[0], f"--cache_dir={disk / 'cache'}", "--max_sequence_length=32"),
                f"--backbone={trained.folder / 'bert'}",
            ),
            "score": (
                *("score", *trained.flags, f"--teachers={trained.runs[0]}", "--tasks=entailment"),
                f"--output_dir={disk / 'soft'}",
            ),
        }
        for name, (binary, *flags) in commands.items():
            if name == "score":
                (disk / "filler2").write_bytes(b"0" * 4_000)
            line = _line(binaries.run(binary, *flags))
            assert f"error: {disk}" in line and "No space left on device; 0.0 MB are free there" in line, line
            record_property("trials", 1)
        left = [path for path in disk.rglob("*") if path.is_file() and not path.name.startswith("filler")]
        for path in left:
            read_manifest(path.parent, "")


def test_a_folder_that_cannot_be_written_is_named(
    binaries: Binaries, trained: Trained, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    disk = tmp_path / "disk"
    with _small_disk(disk, 4):
        subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
        commands = [
            ("train", *_flags(trained, disk / "run")),
            (
                "encode",
                trained.flags[0],
                f"--cache_dir={disk / 'cache'}",
                "--max_sequence_length=32",
                "--backbone=tiny",
            ),
            ("score", *trained.flags, f"--teachers={trained.runs[0]}", f"--output_dir={disk / 'soft'}"),
            ("export", f"--run={trained.runs[0]}", f"--export_dir={disk / 'export'}"),
        ]
        for binary, *flags in commands:
            line = _line(binaries.run(binary, *flags))
            assert line.startswith(f"error: {disk}") and line.endswith("Read-only file system"), line
            record_property("trials", 1)
