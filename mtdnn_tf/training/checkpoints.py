"""Checkpoints of a run: everything that the next step depends on."""

from __future__ import annotations

from pathlib import Path

import tensorflow as tf

from mtdnn_tf.errors import UserError
from mtdnn_tf.modeling.random_state import dropout_generators
from mtdnn_tf.training.trainer import Trainer


class Checkpoints:
    """Saves and restores weights, optimizer slots, step and dropout generators.

    Data needs no state: the batch of a step is a pure function of the seed and the step.

    Args:
        trainer: The trainer, its optimizer built.
        folder: Where checkpoints stand.
        keep: Number of checkpoints kept.
    """

    def __init__(self, trainer: Trainer, folder: Path, keep: int) -> None:
        self._step = trainer.optimizer.iterations
        generators = dropout_generators(trainer.network)
        checkpoint = tf.train.Checkpoint(network=trainer.network, optimizer=trainer.optimizer, generators=generators)
        self._manager = tf.train.CheckpointManager(checkpoint, str(folder), max_to_keep=keep)

    def restore(self) -> int:
        """Restores the last checkpoint, if there is one.

        Returns:
            The number of steps that have been made.

        Raises:
            UserError: The checkpoint is damaged, or of another model.
        """
        path = self._manager.latest_checkpoint
        if path is None:
            return 0
        try:
            self._manager.checkpoint.restore(path).assert_existing_objects_matched()
        except (tf.errors.OpError, AssertionError, ValueError) as error:
            reason = " ".join(str(error).split())[:200]
            raise UserError(
                f"{path}: the checkpoint is damaged or of another model ({reason}); "
                "delete it to continue from the one before, or the folder to start again"
            ) from error
        return int(self._step.numpy())

    def save(self) -> None:
        """Saves a checkpoint named by the number of steps made."""
        self._manager.save(checkpoint_number=int(self._step.numpy()))


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
