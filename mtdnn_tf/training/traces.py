"""How often the training step is traced; each trace takes as long as many steps."""

from __future__ import annotations

import logging

import tensorflow as tf

_log = logging.getLogger("absl")


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
