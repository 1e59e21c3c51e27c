"""Answers requests that arrive together in one batch, by the parameters of TF Serving's batching."""

from __future__ import annotations

import dataclasses
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping

import numpy as np

from mtdnn_tf.options import Options, option

Tensors = Mapping[str, np.ndarray]
# From a signature and its inputs to its outputs.
Run = Callable[[str, Tensors], dict[str, np.ndarray]]
# A signature with the shapes and types of its inputs but for the number of rows: what may share a batch.
_Key = tuple[object, ...]


@dataclasses.dataclass(frozen=True)
class BatchingOptions(Options):
    """How requests share batches."""

    num_batch_threads: int = option(2, "Number of batches that are computed at the same time, per model.", at_least=1)
    max_batch_size: int = option(
        32, "Maximum number of rows of several requests in one batch; 1 answers each alone.", at_least=1
    )
    batch_timeout_micros: int = option(
        0, "Microseconds that a request waits for others, beyond the time until a thread is free.", at_least=0
    )


@dataclasses.dataclass(eq=False)
class _Request:
    inputs: Tensors
    rows: int
    due: float
    outputs: dict[str, np.ndarray] | None = None
    error: Exception | None = None

    @property
    def is_done(self) -> bool:
        return self.outputs is not None or self.error is not None


class Batcher:
    """Answers requests in the threads that make them.

    While all threads compute, requests wait and gather; whoever finds a free one computes what has gathered.

    Args:
        run: Answers a batch; the rows of every output are those of its inputs.
        options: How requests share batches.
    """

    def __init__(self, run: Run, options: BatchingOptions) -> None:
        self._run = run
        self._options = options
        self._changed = threading.Condition()
        self._waiting: dict[_Key, deque[_Request]] = {}
        self._running = 0

    def run(self, signature: str, inputs: Tensors) -> dict[str, np.ndarray]:
        """Returns the outputs of a request; raises what answering it alone raises."""
        due = time.monotonic() + self._options.batch_timeout_micros * 1e-6
        request = _Request(inputs, _rows(inputs), due)
        key = _key(signature, request)
        with self._changed:
            self._waiting.setdefault(key, deque()).append(request)
            # A batch that waits for this request may be full now.
            self._changed.notify_all()
        while True:
            with self._changed:
                while not request.is_done and not (batch := self._next(key)):
                    self._changed.wait(self._seconds_left(key))
                if request.is_done:
                    break
                self._running += 1
            self._answer(signature, batch)
            with self._changed:
                self._running -= 1
                self._changed.notify_all()
        if request.error is not None:
            raise request.error
        assert request.outputs is not None
        return request.outputs

    def _next(self, key: _Key) -> list[_Request]:
        """Takes the next batch of a key, if a thread is free and the batch is full or its time has come."""
        waiting = self._waiting.get(key)
        if not waiting or self._running >= self._options.num_batch_threads:
            return []
        batch, rows = [waiting[0]], waiting[0].rows
        for request in list(waiting)[1:]:
            if rows + request.rows > self._options.max_batch_size:
                break
            batch.append(request)
            rows += request.rows
        is_full = len(batch) < len(waiting) or rows >= self._options.max_batch_size
        if not is_full and time.monotonic() < waiting[0].due:
            return []
        for _ in batch:
            waiting.popleft()
        if not waiting:
            del self._waiting[key]
        return batch

    def _seconds_left(self, key: _Key) -> float | None:
        """Returns how long the first request of a key waits for others; None if only an event ends the wait."""
        waiting = self._waiting.get(key)
        if not waiting or self._running >= self._options.num_batch_threads:
            return None
        return max(waiting[0].due - time.monotonic(), 0.0)

    def _answer(self, signature: str, batch: list[_Request]) -> None:
        try:
            if len(batch) == 1:
                batch[0].outputs = self._run(signature, batch[0].inputs)
                return
            names = batch[0].inputs
            together = {name: np.concatenate([request.inputs[name] for request in batch]) for name in names}
            outputs, start = self._run(signature, together), 0
            for request in batch:
                rows = slice(start, start + request.rows)
                request.outputs = {name: values[rows] for name, values in outputs.items()}
                start += request.rows
        # What TensorFlow raises is the request's own to report.
        except Exception as error:
            if len(batch) == 1:
                batch[0].error = error
                return
            # One of them is at fault; the others have answers.
            for request in batch:
                self._answer(signature, [request])


def _rows(inputs: Tensors) -> int:
    return max((values.shape[0] if values.ndim else 1 for values in inputs.values()), default=0)


def _key(signature: str, request: _Request) -> _Key:
    tensors = sorted(request.inputs.items())
    if not request.rows or any(values.ndim < 1 or values.shape[0] != request.rows for _, values in tensors):
        return signature, id(request)  # Alone.
    return signature, *((name, values.dtype, values.shape[1:]) for name, values in tensors)
