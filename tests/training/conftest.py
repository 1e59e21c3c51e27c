"""A training of three small tasks."""

from __future__ import annotations

from pathlib import Path

import pytest

from mtdnn_tf.training.config import TrainingConfig
from tests.helpers import write_huggingface_folder, write_tasks


@pytest.fixture(name="config")
def _config(tmp_path: Path) -> TrainingConfig:
    write_huggingface_folder(tmp_path / "bert")
    return TrainingConfig.build(
        output_dir=tmp_path / "run",
        data_dir=tmp_path,
        cache_dir=tmp_path / "cache",
        task_file=(write_tasks(tmp_path / "tasks"),),
        max_sequence_length=32,
        backbone=str(tmp_path / "bert"),
        epochs=2,
        batch_size=8,
        learning_rate=0.01,
        evaluation_batch_size=16,
    )
