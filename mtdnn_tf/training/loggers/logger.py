"""Where a training's losses and development metrics are shown while it runs."""

from __future__ import annotations

import importlib.util
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

import tensorflow as tf

from mtdnn_tf.errors import UserError, one_line
from mtdnn_tf.options import Options
from mtdnn_tf.training.loggers.mlflow_logger import MlflowLogger
from mtdnn_tf.training.loggers.tensorboard_logger import TensorBoardLogger
from mtdnn_tf.training.loggers.wandb_logger import WandbLogger

TRAIN, VALIDATION = "train", "validation"
_log = logging.getLogger("absl")


class Logger(Protocol):
    """One training, as a tool for watching trainings shows it."""

    def log(self, part: str, epoch: int, values: Mapping[str, float]) -> None:
        """Shows the values of a part, "train" or "validation", after a number of epochs."""

    def close(self) -> None:
        """Ends the training there; nothing is logged any more."""


# By name, the module that a logger needs, and what opens it for a training's log folder, its name and its options.
_LOGGERS: dict[str, tuple[str, Callable[[Path, str, Mapping[str, object]], Logger]]] = {
    "tensorboard": ("tensorflow", TensorBoardLogger),
    "mlflow": ("mlflow", MlflowLogger),
    "wandb": ("wandb", WandbLogger),
}
LOGGERS = tuple(_LOGGERS)


def check_loggers(names: Sequence[str]) -> None:
    """Raises UserError if the package of a logger is not installed."""
    for name in names:
        if importlib.util.find_spec(_LOGGERS[name][0]) is None:
            raise UserError(f"logger {name} needs its package: pip install 'mtdnn_tf[{name}]'")


class Loggers:
    """The loggers of one training; one that fails is left out from then on, and the training goes on."""

    def __init__(self, loggers: dict[str, Logger]) -> None:
        self._loggers = loggers

    def log(self, part: str, epoch: int, values: Mapping[str, float]) -> None:
        """Shows the values of a part, "train" or "validation", after a number of epochs."""
        self._call(lambda logger: logger.log(part, epoch, values))

    def close(self) -> None:
        """Closes all."""
        self._call(lambda logger: logger.close())

    def _call(self, function: Callable[[Logger], None]) -> None:
        for name, logger in list(self._loggers.items()):
            try:
                function(logger)
            # What a client of a server raises when the network or the server fails is not declared.
            except Exception as error:
                _log.warning("logger %s ends, the training goes on: %s", name, one_line(error))
                del self._loggers[name]


@contextmanager
def open_loggers(names: Sequence[str], folder: Path, run: Path, options: Options) -> Iterator[Loggers]:
    """Opens the loggers of a training, and closes them at the end of the context.

    Args:
        names: Of `LOGGERS`.
        folder: Where loggers write what belongs to the training.
        run: The run folder, whose last two parts are the training's name.
        options: The training's configuration, which loggers show.

    Raises:
        UserError: A logger cannot be opened, for instance as its server does not answer.
    """
    opened: dict[str, Logger] = {}
    title = "/".join(run.parts[-2:])
    try:
        for name in names:
            try:
                opened[name] = _LOGGERS[name][1](folder, title, options.values())
            except Exception as error:
                raise UserError(f"logger {name}: {one_line(error)}") from error
        yield Loggers(opened)
    finally:
        Loggers(opened).close()


class LogLosses(tf.keras.callbacks.Callback):
    """Logs the mean losses of each epoch."""

    def __init__(self, loggers: Loggers) -> None:
        super().__init__()
        self._loggers = loggers

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Logs what the last step returned: means over the epoch."""
        self._loggers.log(TRAIN, epoch + 1, {name: float(value) for name, value in (logs or {}).items()})
