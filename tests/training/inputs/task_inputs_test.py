"""Soft targets in one folder and in shards make the same training."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import tensorflow as tf
from scipy.special import softmax

from mtdnn_tf.distillation.soft_targets import write_soft_targets
from mtdnn_tf.errors import UserError
from mtdnn_tf.tasks.registry import select_tasks
from mtdnn_tf.training.config import TrainingConfig
from mtdnn_tf.training.run import train
from tests.distillation.conftest import TEACHERS, Scored, encode, write_in_shards
from tests.helpers import write_huggingface_folder, write_tasks

SHARDS = {"third": slice(0, 11), "first": slice(11, 30), "second": slice(30, 40)}


class _Losses(tf.keras.callbacks.Callback):
    """Keeps what a training logs of each step."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[dict[str, float]] = []

    def on_train_batch_end(self, batch: int, logs: dict[str, float] | None = None) -> None:
        self.seen.append({name: float(value) for name, value in (logs or {}).items()})


def test_losses_and_weights_have_the_bits_of_one_folder(tmp_path):
    task_file, numbers = write_tasks(tmp_path / "tasks"), np.random.default_rng(4)
    write_huggingface_folder(tmp_path / "bert")
    order = numbers.permutation(40)
    for task in select_tasks(["entailment", "similarity"], [task_file]):
        encoded, outputs = encode(task, tmp_path), numbers.normal(size=(40, task.num_outputs))
        scores = np.asarray(softmax(outputs, axis=-1) if task.num_outputs > 1 else outputs, np.float32)
        variances = numbers.gamma(1.0, 3.0, 40).astype(np.float32)
        shuffled = dataclasses.replace(encoded, example_ids=[encoded.example_ids[row] for row in order])
        folder = tmp_path / "one" / task.name
        write_soft_targets(folder, task, shuffled, scores[order], 2 * TEACHERS, variances[order])
        shards = {name: order[rows] for name, rows in SHARDS.items()}
        in_shards = Scored(task, encoded, scores, tmp_path)
        write_in_shards(tmp_path / task.name, in_shards, shards, variances=variances, names=list(SHARDS))
        (tmp_path / "shards").mkdir(exist_ok=True)
        (tmp_path / task.name).rename(tmp_path / "shards" / task.name)
    weights, losses = {}, {}
    for store in ("one", "shards"):
        config = TrainingConfig.build(
            output_dir=tmp_path / f"run_of_{store}",
            data_dir=tmp_path,
            cache_dir=tmp_path / "cache",
            tasks=("entailment", "similarity"),
            task_file=(task_file,),
            max_sequence_length=32,
            backbone=str(tmp_path / "bert"),
            soft_targets=(tmp_path / store,),
            distill_variance_weighting=True,
            epochs=1,
            batch_size=8,
            learning_rate=1e-2,
            evaluation="never",
        )
        losses[store] = _Losses()
        train(config, callbacks=[losses[store]])
        weights[store] = (config.output_dir / "model" / "weights.safetensors").read_bytes()
    assert weights["one"] == weights["shards"]
    assert losses["one"].seen == losses["shards"].seen and len(losses["one"].seen) == 10
    assert all(np.isfinite(list(of_step.values())).all() and of_step for of_step in losses["one"].seen)
    path = tmp_path / "shards" / "similarity" / "second" / "predictions.npy"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(UserError, match=f"{path}: checksum does not match"):
        train(config)
