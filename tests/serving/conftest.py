"""A trained run of three small tasks."""

from __future__ import annotations

from pathlib import Path

import pytest

from mtdnn_tf.training.config import TrainingConfig
from mtdnn_tf.training.run import train
from tests.helpers import write_huggingface_folder, write_tasks


@pytest.fixture(name="run", scope="session")
def _run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("onnx")
    write_huggingface_folder(folder / "bert")
    config = TrainingConfig.build(
        output_dir=folder / "run",
        cache_dir=folder / "cache",
        task_file=(write_tasks(folder / "tasks"),),
        max_sequence_length=32,
        backbone=str(folder / "bert"),
        epochs=2,
        batch_size=8,
        learning_rate=0.01,
        evaluation="end",
    )
    train(config)
    return config.output_dir
