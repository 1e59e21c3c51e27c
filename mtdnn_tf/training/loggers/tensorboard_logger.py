"""Logs of a training for TensorBoard."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import tensorflow as tf


class TensorBoardLogger:
    """A training as event files, a folder for each part.

    Args:
        folder: Where they are written.
        title: Not used: TensorBoard names a training by its folder.
        options: Not used.
    """

    def __init__(self, folder: Path, title: str, options: Mapping[str, object]) -> None:
        self._folder = folder
        self._writers: dict[str, tf.summary.SummaryWriter] = {}

    def log(self, part: str, epoch: int, values: Mapping[str, float]) -> None:
        """Writes values after a number of epochs, which is their step."""
        if part not in self._writers:
            self._writers[part] = tf.summary.create_file_writer(str(self._folder / part))
        with self._writers[part].as_default(step=epoch):
            for name, value in values.items():
                tf.summary.scalar(name, value)
        self._writers[part].flush()

    def close(self) -> None:
        """Closes the files."""
        for writer in self._writers.values():
            writer.close()
