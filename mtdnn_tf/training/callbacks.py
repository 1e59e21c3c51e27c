"""What happens between the steps of a training: saving, stopping, logging."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Mapping
from pathlib import Path

import tensorflow as tf

from mtdnn_tf.errors import UserError
from mtdnn_tf.interruption import stop_if_asked
from mtdnn_tf.training.checkpoints import Checkpoints

_GRADIENT_NORM = "gradient_norm"
_log = logging.getLogger("absl")


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
            f"{self._run}: step {step}, task {task}: {shown}: the training diverged; {kept}. A lower `learning_rate`, "
            "or an encoder and soft targets without huge numbers, is needed"
        )


class SaveCheckpoints(tf.keras.callbacks.Callback):
    """Saves a checkpoint every so many steps, and at the end of every epoch that is long enough.

    Args:
        checkpoints: Where to save.
        interval: Steps between checkpoints, counted from the start of the run.
        least: Fewest steps since the last checkpoint for which the end of an epoch is saved. Defaults to 1. Writing a
            checkpoint takes longer than the epochs of a handful of examples.
    """

    def __init__(self, checkpoints: Checkpoints, interval: int, least: int = 1) -> None:
        super().__init__()
        self._checkpoints = checkpoints
        self._interval = interval
        self._least = least
        self._saved_step: int | None = None

    def on_train_begin(self, logs: dict[str, float] | None = None) -> None:
        """Counts from where this process began."""
        if self._saved_step is None:
            self._saved_step = self._step

    def on_train_batch_end(self, batch: int, logs: dict[str, float] | None = None) -> None:
        """Saves if the interval is full."""
        if self._step % self._interval == 0:
            self._save()

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Saves, so that an interrupted evaluation costs no training."""
        if self._step - (self._saved_step or 0) >= self._least:
            self._save()

    @property
    def _step(self) -> int:
        return int(self.model.optimizer.iterations.numpy())

    def _save(self) -> None:
        self._checkpoints.save()
        self._saved_step = self._step


class StopIfAsked(tf.keras.callbacks.Callback):
    """Makes the end of every step a safe point to stop at."""

    def on_train_batch_end(self, batch: int, logs: dict[str, float] | None = None) -> None:
        """Raises `Interrupted` if a signal has asked for it."""
        stop_if_asked()


class LogTraces(tf.keras.callbacks.Callback):
    """Logs at the end of an epoch how often the training step has been traced, if that was more than before."""

    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Counts."""
        count = int(self.model.train_tf_function.experimental_get_tracing_count())
        if count > self.count:
            _log.info("the training step has been traced %d time(s), %d of them new", count, count - self.count)
        self.count = count


_FOLDER = "validation"


def log_development_metrics(folder: Path, epoch: int, metrics: Mapping[str, Mapping[str, float]]) -> None:
    """Writes an epoch's metrics as scalars named "<task>/<metric>".

    Args:
        folder: The run's folder of logs; they stand in its folder "validation".
        epoch: Number of epochs done, 1 or more. Their step is one less, as Keras counts the epochs of losses.
        metrics: Values by result name and metric.
    """
    with tf.summary.create_file_writer(str(folder / _FOLDER)).as_default() as writer:
        for name, values in metrics.items():
            for metric, value in values.items():
                tf.summary.scalar(f"{name}/{metric}", value, step=epoch - 1)
    writer.close()
