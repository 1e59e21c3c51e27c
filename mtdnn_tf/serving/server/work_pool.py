"""Limits of the server, and the threads that answer requests beside the event loop."""

from __future__ import annotations

import asyncio
import concurrent.futures
import dataclasses
import threading
from collections.abc import Callable
from typing import Any, TypeVar

import grpc

from mtdnn_tf.errors import UserError
from mtdnn_tf.serving.server.status import ServingError

_Answer = TypeVar("_Answer")


@dataclasses.dataclass(frozen=True)
class Limits:
    """Limits of a server, named as their flags. Requests beyond them are refused at once.

    Raises:
        UserError: A limit is below 1.
    """

    max_request_bytes: int = 8 << 20
    max_batch_rows: int = 1024
    max_concurrency: int = 64  # Requests in progress or waiting.
    threads: int = 4  # Requests in progress; TensorFlow uses its own threads within each.

    def __post_init__(self) -> None:
        for name, value in dataclasses.asdict(self).items():
            if value < 1:
                raise UserError(f"--{name} must be an integer >= 1, got {value}")


class WorkPool:
    """A bounded pool of threads with a bounded queue."""

    def __init__(self, limits: Limits) -> None:
        self._most = limits.max_concurrency
        self._admitted = 0
        self._lock = threading.Lock()
        self._threads = concurrent.futures.ThreadPoolExecutor(limits.threads, thread_name_prefix="answer")

    async def run(self, work: Callable[..., _Answer], *arguments: Any) -> _Answer:
        """Runs a function in a thread of the pool, unless it is cancelled before it starts.

        Raises:
            ServingError: The maximum number of requests is running or waiting.
        """
        with self._lock:
            if self._admitted >= self._most:
                raise ServingError(
                    grpc.StatusCode.RESOURCE_EXHAUSTED,
                    f"the server is busy with {self._most} requests, its maximum; try again later",
                )
            self._admitted += 1
        # A disconnected client frees its slot only when its function has ended.
        future = self._threads.submit(work, *arguments)
        future.add_done_callback(self._release)
        return await asyncio.wrap_future(future)

    def _release(self, _: concurrent.futures.Future[Any]) -> None:
        with self._lock:
            self._admitted -= 1

    def close(self) -> None:
        """Waits for running functions and ends the threads."""
        self._threads.shutdown(wait=True)
