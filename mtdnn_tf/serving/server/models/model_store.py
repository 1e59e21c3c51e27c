"""All models of a server, watched for new versions."""

from __future__ import annotations

import re
import threading
from collections.abc import Mapping
from pathlib import Path

import grpc
from absl import logging

from mtdnn_tf.errors import UserError
from mtdnn_tf.files import user_path
from mtdnn_tf.serving.layout import ONNX_MODEL, SAVED_MODEL
from mtdnn_tf.serving.server.models.batcher import BatchingOptions
from mtdnn_tf.serving.server.models.served_model import ServedModel, versions_on_disk
from mtdnn_tf.serving.server.status import ServingError, one_line

_BATCHING = BatchingOptions()
_NAME = re.compile(r"[A-Za-z0-9_.-]+")


def parse_models(values: list[str]) -> dict[str, Path]:
    """Parses the values of --model, `NAME:DIR` or `DIR` with the folder's name as the model's, into folders by name."""
    models: dict[str, Path] = {}
    for value in values:
        name, colon, folder = value.partition(":")
        base = user_path(folder if colon else value)
        name = name if colon else base.absolute().name
        if not _NAME.fullmatch(name) or not value:
            raise UserError(
                f"--model must be DIR or NAME:DIR, with NAME of letters, digits, '_', '.' and '-'; got {value!r}"
            )
        if name in models:
            raise UserError(f"--model: duplicate name {name!r}; rename one model with NAME:DIR")
        models[name] = base
    return models


class ModelStore:
    """The models of a server by name, in the order of the page; refuses folders without a version that loads."""

    def __init__(self, folders: Mapping[str, Path], batching: BatchingOptions = _BATCHING) -> None:
        self.models = {name: ServedModel(name, base, batching) for name, base in folders.items()}
        self._ended = threading.Event()
        for model in self.models.values():
            _check_folder(model.base)
        for model in self.models.values():
            if not model.poll():
                raise UserError(f"--model: {model.base}: no version can be loaded ({model.failure})")

    def watch(self, seconds: float) -> None:
        """Checks for new versions at an interval, in a thread, until `close`."""

        def look() -> None:
            while not self._ended.wait(seconds):
                for model in self.models.values():
                    try:
                        model.poll()
                    except Exception as error:  # A failed check must not end the thread.
                        logging.error("%s: cannot list versions (%s)", model.base, one_line(error))

        threading.Thread(target=look, name="versions", daemon=True).start()

    def close(self) -> None:
        """Stops the checks, without waiting for a version that is being loaded."""
        self._ended.set()

    def model(self, name: str) -> ServedModel:
        """Returns a model, or raises ServingError for an unknown name."""
        if name not in self.models:
            message = f"Servable not found for request: Latest({name}). Served: {', '.join(self.models)}"
            raise ServingError(grpc.StatusCode.NOT_FOUND, message)
        return self.models[name]


def _check_folder(base: Path) -> None:
    if not base.is_dir():
        raise UserError(f"--model: {base}: no such folder; mtdnn export writes one")
    if any((base / file).is_file() for file in (SAVED_MODEL, ONNX_MODEL)):
        raise UserError(f"--model: {base} is a version of a model; pass its parent folder")
    if not versions_on_disk(base):
        raise UserError(
            f"--model: {base}: must have a version: a folder named by a number, with {SAVED_MODEL} or {ONNX_MODEL}"
        )
