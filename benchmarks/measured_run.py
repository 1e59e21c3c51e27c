"""Measures one training run in a process of its own, on request of benchmarks.run."""

from __future__ import annotations

import contextlib
import resource
import shutil
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from unittest import mock

_BEGIN = time.perf_counter()

import numpy as np  # noqa: E402
import tensorflow as tf  # noqa: E402

from benchmarks.worker import serve  # noqa: E402
from mtdnn_tf.modeling.backbone import POOLER  # noqa: E402
from mtdnn_tf.training import run as training_run  # noqa: E402
from mtdnn_tf.training.callbacks import SaveCheckpoints  # noqa: E402
from mtdnn_tf.training.config import TrainingConfig  # noqa: E402
from mtdnn_tf.training.trainer import Trainer  # noqa: E402

_IMPORTED = time.perf_counter()


class _EnoughSteps(Exception):
    """Ends a run that has been measured."""


def measure_run(config: TrainingConfig, steps: int) -> dict[str, Any]:
    """Runs a training of its own up to a step, and returns what its start and its steps took.

    Args:
        config: The training; its folder is removed.
        steps: Number of steps.
    """
    traced = [0.0]
    ends: list[float] = []
    own_step = Trainer.train_step

    def train_step(trainer: Trainer, batch: dict[str, tf.Tensor]) -> Any:
        began = time.perf_counter()
        result = own_step(trainer, batch)
        traced[0] += time.perf_counter() - began
        return result

    def on_train_batch_end(callback: SaveCheckpoints, batch: int, logs: Any = None) -> None:
        ends.append(time.perf_counter())
        if len(ends) >= steps:
            raise _EnoughSteps

    shutil.rmtree(config.output_dir, ignore_errors=True)
    began = time.perf_counter()
    timed = mock.patch.multiple(Trainer, train_step=train_step)
    counted = mock.patch.multiple(SaveCheckpoints, on_train_batch_end=on_train_batch_end)
    with contextlib.suppress(_EnoughSteps), timed, counted:
        training_run.train(config)
    shutil.rmtree(config.output_dir, ignore_errors=True)
    return {
        "import_seconds": _IMPORTED - _BEGIN,
        "trace_seconds": traced[0],
        "start_seconds": ends[0] - began - traced[0],
        "step_seconds": float(np.median(np.diff(ends))) if len(ends) > 1 else None,
        "peak_bytes": 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss,
    }


def run_once(
    glue: str, cache: str, output: str, backbone: str, tasks: Sequence[str], steps: int, settings: dict[str, Any]
) -> dict[str, Any]:
    """Measures one training run with settings of its own."""
    config = TrainingConfig.build(
        output_dir=Path(output),
        data_dir=Path(glue),
        cache_dir=Path(cache),
        tasks=tuple(tasks),
        backbone=backbone,
        pooling=POOLER,  # As the reference reads it.
        evaluation="never",
        **{"max_sequence_length": 128, "pair_head": "linear", **settings},
    )
    return measure_run(config, steps)


if __name__ == "__main__":
    serve({"run_once": run_once})
