"""What happens between the steps of a training: saving, stopping, logging."""

from __future__ import annotations

import logging
import math
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import tensorflow as tf

from mtdnn_tf.errors import UserError
from mtdnn_tf.interruption import stop_if_asked
from mtdnn_tf.modeling.backbone import MIXED_FLOAT16
from mtdnn_tf.progress import SECONDS, Pace
from mtdnn_tf.training.building import Built
from mtdnn_tf.training.checkpoints import Checkpoints
from mtdnn_tf.training.config import TrainingConfig
from mtdnn_tf.training.inputs.task_inputs import TaskInputs
from mtdnn_tf.training.loggers.logger import Loggers, LogLosses

_GRADIENT_NORM = "gradient_norm"
# What trainings that converge do not exceed, as a rule.
_USUAL = {"learning_rate": 1e-3, "temperature": 20.0, "score": 100.0}
_log = logging.getLogger("absl")


class StopIfNotFinite(tf.keras.callbacks.Callback):
    """Ends a training at the first step whose loss or gradient is not finite, before a checkpoint of it is written."""

    def __init__(self, built: Built) -> None:
        super().__init__()
        self._built = built

    def on_train_batch_end(self, batch: int, logs: dict[str, float] | None = None) -> None:
        """Checks the values that the step returns anyway."""
        values = {name: float(value) for name, value in (logs or {}).items()}
        if isinstance(self.model.optimizer, tf.keras.mixed_precision.LossScaleOptimizer):
            # It skips a step whose scaled gradients overflow, and scales less from then on.
            values.pop(_GRADIENT_NORM, None)
        if all(map(math.isfinite, values.values())):
            return
        step = int(self.model.optimizer.iterations.numpy())
        task = self._built.batches.task_of(step - 1)
        labels = {f"{task}/loss": "loss", _GRADIENT_NORM: "gradient norm"}
        shown = ", ".join(f"{label} {values[name]:g}" for name, label in labels.items() if name in values)
        prepared = self._built.prepared
        unusual = ", ".join(_unusual(prepared.config, prepared.inputs))
        advice = (
            f"Unusual here: {unusual}" if unusual else "Lower `learning_rate`, or look for huge numbers in the encoder"
        )
        raise UserError(
            f"{prepared.config.output_dir}: step {step}, task {task}: {shown}: the training diverged; "
            f"{self._built.checkpoints.kept()}. {advice}"
        )


def _unusual(config: TrainingConfig, inputs: Sequence[TaskInputs]) -> list[str]:
    """Returns what is larger in a training than is usual, as messages name it."""
    values = {"learning_rate": config.optimization.learning_rate, "temperature": config.distillation.temperature}
    found = [f"`{name}={value:g}`" for name, value in values.items() if value > _USUAL[name]]
    if config.optimization.precision == MIXED_FLOAT16:
        found.append(f"`precision={MIXED_FLOAT16}`")
    for of_task in (task for task in inputs if task.task.kind_object.predicts_scores):
        largest = max(float(np.abs(of_task.gold).max()), of_task.teacher_logits.largest())
        if largest > _USUAL["score"]:
            found.append(f"a score of {largest:g} in task {of_task.task.name}")
    return found


class SaveCheckpoints(tf.keras.callbacks.Callback):
    """Saves a checkpoint every `interval` steps of the run, and at the end of an epoch `least` steps after the last.

    Writing a checkpoint takes longer than the epochs of a handful of examples.
    """

    def __init__(self, checkpoints: Checkpoints, interval: int, least: int = 1) -> None:
        super().__init__()
        self._checkpoints = checkpoints
        self._interval = interval
        self._least = least

    def on_train_batch_end(self, batch: int, logs: dict[str, float] | None = None) -> None:
        """Saves if the interval is full."""
        if int(self.model.optimizer.iterations.numpy()) % self._interval == 0:
            self._checkpoints.save()

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Saves, so that an interrupted evaluation costs no training."""
        if int(self.model.optimizer.iterations.numpy()) - self._checkpoints.saved_step >= self._least:
            self._checkpoints.save()


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


class LogProgress(tf.keras.callbacks.Callback):
    """Logs once a minute how far a training is, where no terminal shows it."""

    def __init__(self, folder: Path, total_steps: int, seconds: float = SECONDS) -> None:
        super().__init__()
        self._folder = folder
        self._total_steps = total_steps
        self._seconds = seconds
        self._pace: Pace | None = None

    def on_train_batch_end(self, batch: int, logs: dict[str, float] | None = None) -> None:
        """Logs if a line is due; the first step, which is traced, does not count."""
        step = int(self.model.optimizer.iterations.numpy())
        if self._pace is None:
            self._pace = Pace(self._total_steps, self._seconds, first=step)
        elif line := self._pace.line(step):
            _log.info("%s: step %s", self._folder, line)


def run_callbacks(built: Built, is_chief: bool, loggers: Loggers) -> list[tf.keras.callbacks.Callback]:
    """Returns the callbacks of a training's epochs; only the chief writes."""
    config, checkpoints = built.prepared.config, built.checkpoints
    callbacks = [StopIfNotFinite(built), StopIfAsked(), LogTraces()]
    if is_chief:
        interval = config.checkpoints.checkpoint_interval
        least = 1 if config.checkpoints.evaluation == "every_epoch" else interval // 10
        callbacks += [SaveCheckpoints(checkpoints, interval, least), LogLosses(loggers)]
        if not sys.stderr.isatty():
            callbacks.append(LogProgress(config.output_dir, built.total_steps))
    return callbacks
