"""A trained run of three small tasks."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.small_models import trained_run


@pytest.fixture(name="run", scope="session")
def _run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return trained_run(tmp_path_factory.mktemp("onnx"), epochs=2, learning_rate=0.01).output_dir
