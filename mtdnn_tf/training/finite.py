"""Stopping a training whose numbers have gone wrong."""

from __future__ import annotations

import math
from collections.abc import Callable

import tensorflow as tf

from mtdnn_tf.errors import UserError
from mtdnn_tf.training.checkpoints import Checkpoints

_GRADIENT_NORM = "gradient_norm"


class StopIfNotFinite(tf.keras.callbacks.Callback):
    """Ends a training at the first step whose loss or gradient is not finite, before a checkpoint of it is written.

    It reads the values that the step returns anyway.

    Args:
        checkpoints: Of the run.
        task_of: Returns the name of the task of a step's batch; steps count from 0.
        run: The run, for the message.
    """

    def __init__(self, checkpoints: Checkpoints, task_of: Callable[[int], str], run: str) -> None:
        super().__init__()
        self._checkpoints = checkpoints
        self._task_of = task_of
        self._run = run

    def on_train_batch_end(self, batch: int, logs: dict[str, float] | None = None) -> None:
        """Checks the step's values.

        Raises:
            UserError: One is not finite.
        """
        values = {name: float(value) for name, value in (logs or {}).items()}
        if isinstance(self.model.optimizer, tf.keras.mixed_precision.LossScaleOptimizer):
            # It leaves a step out whose scaled gradients overflow, and scales less from then on.
            values.pop(_GRADIENT_NORM, None)
        if all(map(math.isfinite, values.values())):
            return
        step = int(self.model.optimizer.iterations.numpy())
        task = self._task_of(step - 1)
        shown = ", ".join(
            f"{label} {values[name]:g}"
            for label, name in (("loss", f"{task}/loss"), ("gradient norm", _GRADIENT_NORM))
            if name in values
        )
        last = self._checkpoints.newest()
        kept = f"the last good checkpoint, {last}, is kept" if last else "no checkpoint had been written"
        raise UserError(
            f"{self._run}: step {step}, task {task}: {shown}: the training diverged; {kept}. A lower --learning_rate, "
            "or an encoder and soft targets without huge numbers, is needed"
        )
