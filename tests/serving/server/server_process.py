"""A server in a process of its own, and plain requests to it."""

from __future__ import annotations

import http.client
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).parents[3]
_PATIENCE = 180.0  # Seconds.


class Answer(NamedTuple):
    """An answer by HTTP."""

    status: int
    body: Any
    headers: Mapping[str, str]  # Names in lower case.


class ServerProcess:
    """`python -m tools.serve` on free ports, ready to answer.

    Args:
        folder: Where its log goes.
        models: Folders of the models by name.
        flags: More flags.
    """

    def __init__(self, folder: Path, models: Mapping[str, Path], flags: Sequence[str] = ()) -> None:
        self._log = folder / "server.log"
        named = ",".join(f"{name}:{base}" for name, base in models.items())
        command = [sys.executable, "-m", "tools.serve", f"--model={named}", "--port=0", "--grpc_port=0"]
        with self._log.open("w") as log:
            self.process = subprocess.Popen(
                [*command, "--poll_seconds=0.1", *flags], cwd=ROOT, stdout=log, stderr=log, env=dict(os.environ)
            )
        deadline = time.monotonic() + _PATIENCE
        while not (found := re.search(r"REST: http://127.0.0.1:(\d+)/\n.*gRPC: 127.0.0.1:(\d+)\n", self.log)):
            assert self.process.poll() is None and time.monotonic() < deadline, self.log
            time.sleep(0.05)
        self.port, self.grpc_port = map(int, found.groups())

    @property
    def log(self) -> str:
        """What the server has logged."""
        return self._log.read_text()

    @property
    def address(self) -> str:
        """Where the page is."""
        return f"http://127.0.0.1:{self.port}"

    def ask(
        self, path: str, body: Any = None, method: str | None = None, headers: Mapping[str, str] | None = None
    ) -> Answer:
        """Sends one request; a body that is no bytes is sent as JSON, and by POST."""
        content = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=_PATIENCE)
        try:
            connection.request(method or ("GET" if body is None else "POST"), path, content, dict(headers or {}))
            response = connection.getresponse()
            text = response.read()
            kind = response.headers["content-type"] or ""
            return Answer(
                response.status,
                json.loads(text) if text and "json" in kind else text,
                {name.lower(): value for name, value in response.headers.items()},
            )
        finally:
            connection.close()

    def wait_for_log(self, words: str) -> None:
        """Waits until the server has logged words."""
        deadline = time.monotonic() + _PATIENCE
        while words not in self.log:
            assert time.monotonic() < deadline, self.log
            time.sleep(0.02)

    def stop(self) -> int:
        """Tells the server to end, and returns its exit status."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(_PATIENCE)
