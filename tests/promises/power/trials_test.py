"""A loss of power at any moment costs nothing that a command has ended with, and the same command continues."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.helpers import write_huggingface_folder, write_tasks
from tests.tools.binaries import ROOT, Binaries

_MOMENTS = 8
# Times, locks, and checkpoints of a run that has ended, which may be there again.
_MAY_DIFFER = re.compile(r"(^|/)logs/|\.lock$|^run/checkpoints/")


@contextlib.contextmanager
def _mounted(disk: Path, images: Path) -> Iterator[None]:
    """Mounts the file system at a folder, and writes its images when the block ends."""
    try:
        import mfusepy  # noqa: F401
    except (ImportError, OSError) as error:
        pytest.skip(f"needs mfusepy and libfuse: {error}")
    if not os.access("/dev/fuse", os.R_OK | os.W_OK):
        pytest.skip("needs /dev/fuse")
    disk.mkdir()
    command = ["-m", "tests.promises.power.file_system", str(disk), str(images), f"--images={_MOMENTS}"]
    process = subprocess.Popen([sys.executable, *command], cwd=ROOT, stderr=subprocess.PIPE, text=True)
    try:
        while not os.path.ismount(disk):
            if process.poll() is not None:
                assert process.stderr
                pytest.skip(f"FUSE cannot mount here: {process.stderr.read()[-300:]}")
            time.sleep(0.05)
        yield
    finally:
        if process.poll() is None:
            subprocess.run(["umount", disk], check=True)
        process.wait()


def _commands(folder: Path, disk: Path) -> list[tuple[str, ...]]:
    tasks, cache = f"--task_file={folder / 'tasks' / 'tasks.yaml'}", f"--cache_dir={disk / 'cache'}"
    training = ("--epochs=3", "--batch_size=8", "--learning_rate=0.01", "--evaluation=every_epoch")
    more = ("--max_sequence_length=32", "--checkpoint_interval=6", f"--backbone={folder / 'bert'}")
    return [
        ("train", tasks, cache, f"--output_dir={disk / 'run'}", *training, *more),
        ("score", tasks, cache, f"--output_dir={disk / 'soft'}", f"--teachers={disk / 'run'}"),
        ("export", f"--run={disk / 'run'}", f"--export_dir={disk / 'export'}", "--version=1"),
    ]


def _run(binaries: Binaries, folder: Path, disk: Path) -> str:
    """Returns what went wrong, or nothing."""
    for name, *flags in _commands(folder, disk):
        result = binaries.run(name, *flags)
        if result.status:
            return f"{name}: status {result.status}: {result.stderr[-300:]}"
    return ""


def _contents(folder: Path) -> dict[str, bytes]:
    files = {path.relative_to(folder).as_posix(): path for path in sorted(folder.rglob("*")) if path.is_file()}
    return {name: path.read_bytes() for name, path in files.items() if not _MAY_DIFFER.search(name)}


def _differences(found: dict[str, bytes], expected: dict[str, bytes]) -> list[str]:
    return [
        f"{name}: {'lost' if name not in found else 'left' if name not in expected else 'differs'}"
        for name in sorted({*found, *expected})
        if found.get(name) != expected.get(name)
    ]


@pytest.mark.slow
def test_a_loss_of_power_costs_nothing_that_was_done_and_the_commands_continue(tmp_path, record_property):
    disk, images = tmp_path / "disk", tmp_path / "images"
    write_huggingface_folder(tmp_path / "bert")
    write_tasks(tmp_path / "tasks")
    with contextlib.closing(Binaries()) as binaries:
        with _mounted(disk, images):
            assert not _run(binaries, tmp_path, disk)
            whole = _contents(disk)
        assert {"run/model/weights.safetensors", "soft/mood/manifest.json", "export/1/saved_model.pb"} <= {*whole}
        failures = [f"at the end: {line}" for line in _differences(_contents(images / "end-flushed"), whole)]
        moments = sorted(images.glob("[0-9]*-*"))
        for image in moments:
            shutil.rmtree(disk)
            shutil.copytree(image, disk)
            problem = _run(binaries, tmp_path, disk)
            different = [] if problem else _differences(_contents(disk), whole)
            failures += [f"{image.name}: {line}" for line in ([problem] if problem else different)]
    record_property("trials", 1 + len(moments))
    assert failures == [], "\n".join(failures)
    assert len(moments) == 2 * _MOMENTS
