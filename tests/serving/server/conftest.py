from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from mtdnn_tf.serving.export import export_model
from tests.serving.server.server_process import ServerProcess
from tests.serving.server.small_models import tiny_model, write_affine, write_tasks_model


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Folders of served models: by name, of one version each."""
    base = tmp_path_factory.mktemp("models")
    folders = {name: base / name for name in ("half_plus_two", "tiny", "student", "teacher", "each", "switching")}
    for folder in folders.values():
        folder.mkdir()
    write_affine(folders["half_plus_two"] / "123", 2.0)
    write_affine(folders["switching"] / "1", 2.0)
    export_model(tiny_model(), folders["tiny"] / "1")
    for favourite, name in enumerate(("student", "teacher")):
        write_tasks_model(folders[name] / "1", favourite)
    write_tasks_model(folders["each"] / "1", 1, together=False)
    return folders


@pytest.fixture(scope="session")
def server(models: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """A server of all these models, with small limits."""
    flags = ("--max_request_bytes=100000", "--max_batch_rows=100")
    running = ServerProcess(tmp_path_factory.mktemp("server"), models, flags)
    yield running
    assert running.stop() == 0, running.log
