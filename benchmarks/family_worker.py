"""Trains and runs the product's encoder of a folder, on request of benchmarks.families."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from benchmarks.worker import milliseconds, serve
from mtdnn_tf.distillation.options import DistillationOptions
from mtdnn_tf.modeling.checkpoints.backbones import find_backbone
from mtdnn_tf.modeling.checkpoints.families import FAMILIES
from mtdnn_tf.modeling.multi_task_model import INPUTS, build_multi_task_model
from mtdnn_tf.parallelism import num_parallel_parts, use_single_threaded_ops
from mtdnn_tf.tasks.task import Task
from mtdnn_tf.training.optimization.optimizers import build_optimizer
from mtdnn_tf.training.trainer import Trainer

_TASK = Task("mood", "classification", ("text",), ("bad", "good"), ("accuracy",))
_STEPS = 1_000_000
_RATE = 5e-5


class FamilyWorker:
    """An encoder with a head for two labels.

    Args:
        folder: Hugging Face folder of the encoder.
        trains: Whether threads are those of training, else those of serving.
    """

    def __init__(self, folder: Path, trains: bool) -> None:
        if trains:
            use_single_threaded_ops()
            tf.config.experimental.enable_op_determinism()
        tf.keras.utils.set_random_seed(0)
        pretrained = find_backbone(str(folder))
        # transformers drops nothing in families without such fields.
        dropout = 0.1 if FAMILIES[pretrained.config.model_type].dropouts else 0.0
        self._network = build_multi_task_model(pretrained, [_TASK], dropout)
        self._function: Callable[..., Any] | None = None

    def versions(self) -> dict[str, Any]:
        """Returns what is measured."""
        return {"tensorflow": tf.__version__, "python": sys.version.split()[0]}

    def outputs(self, ids: list[list[int]]) -> list[list[float]]:
        """Returns what heads read."""
        pooled: list[list[float]] = self._network.encode(_inputs(ids))["pooled_output"].numpy().tolist()
        return pooled

    def train(self, ids: list[list[int]], steps: int) -> list[float]:
        """Returns the milliseconds of each of some steps on a batch; the first call begins with one more."""
        size = len(ids)
        batch = {
            **_inputs(ids),
            "gold": tf.zeros(size),
            "has_gold": tf.ones(size, tf.bool),
            "teacher_logits": tf.zeros((size, 2)),
            "has_teacher": tf.zeros(size, tf.bool),
            "teacher_weight": tf.ones(size),
            "example_weight": tf.fill([size], 1.0 / size),
            "query": tf.range(size),
            "task_index": tf.zeros(size, tf.int32),
        }
        if self._function is None:
            parts = num_parallel_parts(size)
            trainer = Trainer(self._network, [_TASK], DistillationOptions(), _STEPS, 1, parts)
            trainer.compile(optimizer=build_optimizer("adamax", _RATE, self._network))
            self._function = tf.function(trainer.train_step)
            self._function(batch)
        step = self._function
        return milliseconds(lambda: step(batch)["gradient_norm"].numpy(), steps)

    def answer(self, ids: list[list[int]], repeats: int) -> list[float]:
        """Returns the milliseconds of each of some requests; the first call begins with one more."""
        inputs = _inputs(ids)
        if self._function is None:
            specs = {name: tf.TensorSpec([None, None], value.dtype, name) for name, value in inputs.items()}

            def answer(**tensors: tf.Tensor) -> tf.Tensor:
                return tf.nn.softmax(self._network.task_logits(tensors, _TASK.name))

            self._function = tf.function(answer, autograph=False).get_concrete_function(**specs)
            self._function(**inputs)
        function = self._function
        return milliseconds(lambda: function(**inputs).numpy(), repeats)


def _inputs(ids: list[list[int]]) -> dict[str, tf.Tensor]:
    arrays = dict(zip(INPUTS, (np.array(ids), np.zeros_like(ids), np.ones_like(ids))))
    return {name: tf.constant(array, tf.int32) for name, array in arrays.items()}


def main() -> None:
    """Serves until standard input ends."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--trains", action="store_true")
    worker = FamilyWorker(**vars(parser.parse_args()))
    serve({name: getattr(worker, name) for name in ("versions", "outputs", "train", "answer")})


if __name__ == "__main__":
    main()
