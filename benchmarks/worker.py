"""Processes that measure on request: one line of JSON in, one line of JSON out."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.command_line import InputError

_ANSWERS = "MTDNN_TF_BENCHMARK_ANSWERS"


class Worker:
    """A process that answers calls by name, and is idle between them, so that measurements can alternate.

    Args:
        python: The interpreter it runs in.
        module: The module that it runs, which calls `serve`.
        arguments: Of its command line.
        folder: Folder it runs in; by default the current one.
    """

    def __init__(self, python: str, module: str, arguments: Sequence[str] = (), folder: Path | None = None) -> None:
        self._name = module
        # Libraries print to standard output while they are imported, so answers have a pipe of their own.
        answers, end = os.pipe()
        self._process = subprocess.Popen(
            [python, "-m", module, *arguments],
            stdin=subprocess.PIPE,
            stdout=sys.stderr,
            text=True,
            pass_fds=[end],
            cwd=folder,
            env={**os.environ, _ANSWERS: str(end)},
        )
        os.close(end)
        self._answers = os.fdopen(answers)

    def __call__(self, name: str, **arguments: Any) -> Any:
        """Returns what the call of a function returned.

        Raises:
            InputError: The process has ended.
        """
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps({"name": name, "arguments": arguments}) + "\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            raise InputError(f"{self._name}: has ended before {name}; see its error above") from None
        line = self._answers.readline()
        if not line:
            raise InputError(f"{self._name}: ended in {name} with status {self._process.wait()}; see its error above")
        return json.loads(line)

    def close(self) -> None:
        """Ends the process."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            self._process.wait(timeout=60)
        except subprocess.TimeoutExpired:
            self._process.kill()
        self._answers.close()


def serve(functions: Mapping[str, Callable[..., Any]]) -> None:
    """Answers the calls of a `Worker` until standard input ends."""
    answers = os.fdopen(int(os.environ[_ANSWERS]), "w")
    for line in sys.stdin:
        call = json.loads(line)
        answers.write(json.dumps(functions[call["name"]](**call["arguments"])) + "\n")
        answers.flush()


def milliseconds(run: Callable[[], object], repeats: int) -> list[float]:
    """Returns the milliseconds of each of some calls."""
    times = []
    for _ in range(repeats):
        started = time.perf_counter()
        run()
        times.append(1000 * (time.perf_counter() - started))
    return times
