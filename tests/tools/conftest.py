from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.helpers import write_huggingface_folder, write_tasks
from tests.tools.binaries import Binaries


class Trained(NamedTuple):
    """A small task folder, an encoder, two trained runs, and the flags that they share."""

    folder: Path
    runs: tuple[Path, Path]
    flags: tuple[str, ...]


@pytest.fixture(scope="session")
def binaries() -> Iterator[Binaries]:
    server = Binaries()
    yield server
    server.close()


@pytest.fixture(scope="session")
def trained(binaries: Binaries, tmp_path_factory: pytest.TempPathFactory) -> Trained:
    folder = tmp_path_factory.mktemp("trained")
    task_file = write_tasks(folder / "tasks")
    write_huggingface_folder(folder / "bert")
    runs = (folder / "one", folder / "two")
    flags = (f"--task_file={task_file}", f"--cache_dir={folder / 'cache'}")
    for seed, run in enumerate(runs):
        result = binaries.run(
            "train",
            *flags,
            f"--backbone={folder / 'bert'}",
            f"--output_dir={run}",
            f"--seed={seed}",
            *("--max_sequence_length=32", "--epochs=1", "--batch_size=8", "--learning_rate=0.01", "--evaluation=end"),
        )
        assert result.status == 0, result.stderr
    return Trained(folder, runs, flags)
