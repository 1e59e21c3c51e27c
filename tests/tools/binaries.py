"""Runs binaries as processes of their own that share one start-up.

A server process imports what all binaries import, then forks for every command: each runs as `python -m tools.NAME`
does, with its own flags, output and exit status, without the seconds that importing TensorFlow takes.
"""

from __future__ import annotations

import json
import os
import resource
import runpy
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).parents[2]


class Result(NamedTuple):
    """What a command left."""

    status: int
    stdout: str
    stderr: str


class Running(NamedTuple):
    """A command that has been started."""

    pid: int
    stdout: Path
    stderr: Path
    ask: Callable[[Any], Any]

    def wait(self) -> Result:
        """Waits for its end."""
        status = self.ask(self.pid)
        texts = [path.read_text(encoding="utf-8") for path in (self.stdout, self.stderr)]
        for path in (self.stdout, self.stderr):
            path.unlink()
        return Result(status, *texts)

    def send(self, signal_number: int) -> None:
        """Sends it a signal."""
        os.kill(self.pid, signal_number)

    def wait_for(self, what: Callable[[], object], seconds: float = 120.0) -> None:
        """Waits until something holds while the command runs."""
        end = time.monotonic() + seconds
        while not what():
            assert time.monotonic() < end, self.stderr.read_text(encoding="utf-8")
            time.sleep(0.01)


class Binaries:
    """A server that runs binaries, with more variables in its environment, or without those that are None."""

    def __init__(self, environment: Mapping[str, str | None] | None = None) -> None:
        variables = {**os.environ, **(environment or {})}
        self._server = subprocess.Popen(
            [sys.executable, "-m", "tests.tools.binaries"],
            cwd=ROOT,
            env={name: value for name, value in variables.items() if value is not None},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def run(self, name: str, *arguments: str, folder: Path = ROOT) -> Result:
        """Runs `python -m tools.NAME ARGUMENTS` in a folder, the project's by default, and waits for its end."""
        return self.start(name, *arguments, folder=folder).wait()

    def start(
        self,
        name: str,
        *arguments: str,
        limits: Mapping[str, int] | None = None,
        environment: Mapping[str, str] | None = None,
        folder: Path = ROOT,
    ) -> Running:
        """Starts `python -m tools.NAME ARGUMENTS`.

        Args:
            name: The binary.
            arguments: Its flags.
            limits: Limits of the process by `resource`'s names.
            environment: Variables of its environment beside the server's.
            folder: Its working directory. Defaults to the project's folder.
        """
        command = (name, *map(str, arguments))
        pid, stdout, stderr = self._ask([dict(limits or {}), dict(environment or {}), str(folder), *command])
        return Running(pid, Path(stdout), Path(stderr), self._ask)

    def _ask(self, request: Any) -> Any:
        assert self._server.stdin and self._server.stdout
        self._server.stdin.write(json.dumps(request) + "\n")
        self._server.stdin.flush()
        return json.loads(self._server.stdout.readline())

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
    import mtdnn_tf.commands.program  # noqa: F401

    for line in sys.stdin:
        request = json.loads(line)
        if isinstance(request, int):
            print(os.waitstatus_to_exitcode(os.waitpid(request, 0)[1]), flush=True)
            continue
        limits, environment, folder, name, *arguments = request
        (stdout, out), (stderr, err) = tempfile.mkstemp(), tempfile.mkstemp()
        child = os.fork()
        if child == 0:
            os.dup2(stdout, 1)
            os.dup2(stderr, 2)
            for limit, value in limits.items():
                resource.setrlimit(getattr(resource, limit), (value, value))
            os.environ.update(environment)
            os.chdir(folder)
            status = _child(name, arguments)
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(status)
        os.close(stdout)
        os.close(stderr)
        print(json.dumps([child, out, err]), flush=True)


if __name__ == "__main__":
    _serve()
