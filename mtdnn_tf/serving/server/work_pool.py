"""Limits of the server, and the threads that answer requests beside the event loop."""

from __future__ import annotations

import asyncio
import concurrent.futures
import dataclasses
import threading
from collections.abc import Callable
from typing import Any, TypeVar

import grpc

from mtdnn_tf.options import Options, option
from mtdnn_tf.serving.server.status import ServingError

_Answer = TypeVar("_Answer")


@dataclasses.dataclass(frozen=True)
class Limits(Options):
    """Limits of a server. Requests beyond them are refused at once."""

    max_request_bytes: int = option(8 << 20, "Maximum size of a request.", at_least=1)
    max_batch_rows: int = option(1024, "Maximum number of rows per request.", at_least=1)
    max_concurrency: int = option(64, "Maximum number of running and waiting requests; others are refused.", at_least=1)


class WorkPool:
    """A bounded pool of threads, each of which answers one request at a time."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self._free = threading.Semaphore(limits.max_concurrency)
        self._threads = concurrent.futures.ThreadPoolExecutor(limits.max_concurrency, thread_name_prefix="answer")

    async def run(self, work: Callable[..., _Answer], *arguments: Any) -> _Answer:
        """Runs a function in a thread, also to its end if cancelled; raises ServingError if the pool is full."""
        if not self._free.acquire(blocking=False):
            most = self.limits.max_concurrency
            message = f"the server is busy with {most} requests, its maximum; try again later"
            raise ServingError(grpc.StatusCode.RESOURCE_EXHAUSTED, message)
        # A disconnected client frees its slot only when its function has ended.
        future = self._threads.submit(work, *arguments)
        future.add_done_callback(lambda _: self._free.release())
        return await asyncio.wrap_future(future)

    def close(self) -> None:
        """Waits for running functions and ends the threads."""
        self._threads.shutdown(wait=True)
