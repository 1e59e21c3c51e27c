"""Serves the highest version of a model. A new version is loaded before the old one is unloaded."""

from __future__ import annotations

import collections
import contextlib
import gc
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import grpc
from absl import logging
from tensorflow_serving.apis.get_model_status_pb2 import GetModelStatusResponse, ModelVersionStatus

from mtdnn_tf.serving.layout import ONNX_MODEL, SAVED_MODEL
from mtdnn_tf.serving.server.inference import warm_up
from mtdnn_tf.serving.server.models.batcher import BatchingOptions
from mtdnn_tf.serving.server.models.servable import Servable
from mtdnn_tf.serving.server.status import ServingError, one_line


class ServedModel:
    """The versions of one model, in the subfolders of `base`."""

    def __init__(self, name: str, base: Path, batching: BatchingOptions) -> None:
        self.name = name
        self.base = base
        self._batching = batching
        self._lock = threading.Lock()
        self._loaded: dict[int, Servable] = {}
        self._users: collections.Counter[int] = collections.Counter()  # Requests that use a version.
        self._current: int | None = None
        self._loading: int | None = None
        self._failed: dict[Version, str] = {}

    @contextlib.contextmanager
    def lease(self, version: int | None = None) -> Iterator[Servable]:
        """Yields the served version, which stays loaded until the block ends; refuses any other version."""
        with self._lock:
            number = self._current
            if number is None or version not in (None, number):
                asked = f"Latest({self.name})" if version is None else f"Specific({self.name}, {version})"
                raise ServingError(grpc.StatusCode.NOT_FOUND, f"Servable not found for request: {asked}")
            servable = self._loaded[number]
            self._users[number] += 1
        try:
            yield servable
        finally:
            with self._lock:
                self._users[number] -= 1
            self._unload_idle()

    @property
    def is_served(self) -> bool:
        """Whether a version is loaded."""
        return self._current is not None

    def poll(self) -> bool:
        """Loads the highest version that can be loaded, if it is not served yet; returns whether any is served.

        A version that fails is logged and not retried until its files change.
        """
        versions = versions_on_disk(self.base)
        with self._lock:
            self._failed = {version: reason for version, reason in self._failed.items() if version in versions}
        for version in versions:
            if version.number == self._current or (version not in self._failed and self._load(version)):
                break
        return self.is_served

    def _load(self, version: Version) -> bool:
        with self._lock:
            self._loading = version.number
        try:
            servable = Servable(self.name, version.number, version.folder, self._batching)
            warm_up(servable)
        except Exception as error:  # TensorFlow raises errors of many types.
            logging.error("%s: cannot load version (%s)", version.folder, one_line(error))
            with self._lock:
                self._loading = None
                self._failed[version] = one_line(error)
            return False
        with self._lock:
            before, self._current, self._loading = self._current, version.number, None
            self._loaded[version.number] = servable
        logging.info("model %s: serving version %d%s", self.name, version.number, f", {before} ends" if before else "")
        self._unload_idle()
        return True

    def _unload_idle(self) -> None:
        with self._lock:
            idle = [number for number in self._loaded if number != self._current and not self._users[number]]
            for number in idle:
                del self._loaded[number]
        for number in idle:
            logging.info("model %s: unloaded version %d", self.name, number)
        if idle:
            gc.collect()  # A loaded SavedModel has reference cycles.

    def status(self, version: int | None = None) -> GetModelStatusResponse:
        """Returns the state of all known versions, the highest first, or of one; refuses an unknown version."""
        with self._lock:
            states = {number: _status(number, ModelVersionStatus.UNLOADING) for number in self._loaded}
            for failed, reason in self._failed.items():
                states[failed.number] = _status(failed.number, ModelVersionStatus.END, reason)
            if self._current is not None:
                states[self._current] = _status(self._current, ModelVersionStatus.AVAILABLE)
            if self._loading is not None:
                states[self._loading] = _status(self._loading, ModelVersionStatus.LOADING)
        found = [states[number] for number in sorted(states, reverse=True) if version in (None, number)]
        if not found:
            what = "any versions" if version is None else f"version {version}"
            raise ServingError(grpc.StatusCode.NOT_FOUND, f"Could not find {what} of model {self.name}")
        return GetModelStatusResponse(model_version_status=found)

    @property
    def failure(self) -> str:
        """Error of the highest version that failed to load; empty if none failed."""
        return self._failed[max(self._failed)] if self._failed else ""


def _status(number: int, state: int, failure: str = "") -> ModelVersionStatus:
    status = ModelVersionStatus(version=number, state=state)
    status.status.error_code = (grpc.StatusCode.UNKNOWN if failure else grpc.StatusCode.OK).value[0]
    status.status.error_message = failure
    return status


class Version(NamedTuple):
    """A version on disk: its number, its folder, and its model's modification time, to detect a repaired version."""

    number: int
    folder: Path
    stamp: int


def versions_on_disk(base: Path) -> list[Version]:
    """Returns a model's versions, the highest first: folders named by a number, with a SavedModel or an ONNX model."""
    found = []
    # If the model's folder is missing, loaded versions stay.
    for path in base.iterdir() if base.is_dir() else ():
        if path.name.isascii() and path.name.isdigit():
            file = path / (SAVED_MODEL if (path / SAVED_MODEL).exists() else ONNX_MODEL)
            with contextlib.suppress(OSError):
                found.append(Version(int(path.name), path, file.stat().st_mtime_ns))
    return sorted(found, reverse=True)
