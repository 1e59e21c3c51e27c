"""Small runs that tests begin from."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mtdnn_tf.data.word_pieces import WordPieceTokenizer
from mtdnn_tf.modeling.checkpoints.backbones import find_backbone
from mtdnn_tf.modeling.checkpoints.model_folder import save_model
from mtdnn_tf.modeling.multi_task_model import build_multi_task_model
from mtdnn_tf.tasks.task import Task
from mtdnn_tf.training.config import TrainingConfig
from mtdnn_tf.training.run import train
from tests.helpers import write_huggingface_folder, write_tasks


def trained_run(folder: Path, **changes: Any) -> TrainingConfig:
    """Returns the settings of a run that has been trained on the small tasks, in `run` of the folder."""
    write_huggingface_folder(folder / "bert")
    settings = {
        "output_dir": folder / "run",
        "cache_dir": folder / "cache",
        "task_file": (write_tasks(folder / "tasks"),),
        "max_sequence_length": 32,
        "backbone": str(folder / "bert"),
        "epochs": 1,
        "batch_size": 8,
        "evaluation": "end",
    }
    config = TrainingConfig.build(**{**settings, **changes})
    train(config)
    return config


def write_two_teachers(folder: Path, tasks: list[Task]) -> list[Path]:
    """Returns two runs of untrained models with different vocabularies."""
    write_huggingface_folder(folder / "bert")
    runs = []
    for number, name in enumerate(("tiny", str(folder / "bert"))):
        pretrained = find_backbone(name)
        model = build_multi_task_model(pretrained, tasks, seed=number)
        tokenizer = WordPieceTokenizer(pretrained.vocabulary, pretrained.lowercase)
        runs.append(folder / f"run{number}")
        save_model(model, tasks, tokenizer, 60, runs[-1] / "model")
    return runs
