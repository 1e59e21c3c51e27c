from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.serving.server.server_process import ServerProcess
from tests.serving.server.small_models import write_affine, write_tasks_model


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """A server of a model that answers all tasks at once, one that has a signature a task, and one of numbers."""
    base = tmp_path_factory.mktemp("models")
    folders = {name: base / name for name in ("together", "each", "half_plus_two")}
    for folder in folders.values():
        folder.mkdir()
    write_tasks_model(folders["together"] / "1", 1)
    write_tasks_model(folders["each"] / "1", 1, together=False)
    write_affine(folders["half_plus_two"] / "1", 2.0)
    running = ServerProcess(tmp_path_factory.mktemp("server"), folders, ("--max_batch_rows=3",))
    yield running
    assert running.stop() == 0, running.log
