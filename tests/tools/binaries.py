"""Runs binaries as processes of their own that share one start-up.

A server process imports what all binaries import, then forks for every command: each runs as `python -m tools.NAME`
does, with its own flags, output and exit status, without the seconds that importing TensorFlow takes.
"""

from __future__ import annotations

import json
import os
import runpy
import subprocess
import sys
import tempfile
import traceback
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]


class Result(NamedTuple):
    """What a command left."""

    status: int
    stdout: str
    stderr: str


class Binaries:
    """A server that runs binaries."""

    def __init__(self) -> None:
        self._server = subprocess.Popen(
            [sys.executable, "-m", "tests.tools.binaries"],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def run(self, name: str, *arguments: str) -> Result:
        """Runs `python -m tools.NAME ARGUMENTS` and waits for its end."""
        assert self._server.stdin and self._server.stdout
        self._server.stdin.write(json.dumps([name, *map(str, arguments)]) + "\n")
        self._server.stdin.flush()
        return Result(*json.loads(self._server.stdout.readline()))

    def close(self) -> None:
        """Ends the server."""
        assert self._server.stdin
        self._server.stdin.close()
        self._server.wait()


def _child(name: str, arguments: list[str]) -> int:
    sys.argv = [f"tools/{name}.py", *arguments]
    try:
        runpy.run_module(f"tools.{name}", run_name="__main__", alter_sys=True)
    except SystemExit as error:
        return error.code if isinstance(error.code, int) else int(error.code is not None)
    except BaseException:
        traceback.print_exc()
        return 1
    return 0


def _serve() -> None:
    import tools.cli  # noqa: F401

    for line in sys.stdin:
        name, *arguments = json.loads(line)
        with tempfile.TemporaryFile("w+") as stdout, tempfile.TemporaryFile("w+") as stderr:
            child = os.fork()
            if child == 0:
                os.dup2(stdout.fileno(), 1)
                os.dup2(stderr.fileno(), 2)
                status = _child(name, arguments)
                sys.stdout.flush()
                sys.stderr.flush()
                os._exit(status)
            status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
            stdout.seek(0)
            stderr.seek(0)
            print(json.dumps([status, stdout.read(), stderr.read()]), flush=True)


if __name__ == "__main__":
    _serve()
