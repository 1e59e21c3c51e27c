"""A headless Chromium, told what to do by the DevTools protocol over two pipes."""

from __future__ import annotations

import base64
import fcntl
import itertools
import json
import os
import select
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

BINARY = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome", "chrome"))), None)


_PATIENCE = 120.0  # Seconds.


class Chromium:
    """A page in a browser.

    Unlike a window, which is at least 500 pixels wide, it can be as narrow as a phone.
    """

    def __init__(self, commands: int, answers: int) -> None:
        self._commands, self._answers = commands, answers
        self._rest = b""
        self._numbers = itertools.count(1)
        self.requests: list[str] = []
        target = self._call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self._call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        self._page("Page.enable")
        self._page("Network.enable")

    def _message(self) -> dict[str, Any]:
        while b"\0" not in self._rest:
            assert select.select([self._answers], [], [], _PATIENCE)[0], "Chromium hangs"
            block = os.read(self._answers, 1 << 20)
            assert block, "Chromium ended"
            self._rest += block
        message, _, self._rest = self._rest.partition(b"\0")
        value: dict[str, Any] = json.loads(message)
        if value.get("method") == "Network.requestWillBeSent":
            self.requests.append(value["params"]["request"]["url"])
        return value

    def _call(self, method: str, session: str | None = None, **parameters: Any) -> dict[str, Any]:
        number = next(self._numbers)
        message = {"id": number, "method": method, "params": parameters, **({"sessionId": session} if session else {})}
        os.write(self._commands, json.dumps(message).encode() + b"\0")
        while (answer := self._message()).get("id") != number:
            pass
        assert "error" not in answer, answer
        return dict(answer["result"])

    def _page(self, method: str, **parameters: Any) -> dict[str, Any]:
        return self._call(method, self._session, **parameters)

    def open(self, page: Path | str, width: int, height: int = 900, theme: str = "light") -> None:
        """Opens a file or an address in a window of a size in CSS pixels, and waits for its end."""
        self._page("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)
        self._page("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": theme}])
        self._page("Page.navigate", url=page.as_uri() if isinstance(page, Path) else page)
        while self._message().get("method") != "Page.loadEventFired":
            pass

    def evaluate(self, expression: str) -> Any:
        """Returns the value of a JavaScript expression."""
        result = self._page("Runtime.evaluate", expression=expression, returnByValue=True)
        assert "exceptionDetails" not in result, result
        return result["result"].get("value")

    def type_text(self, text: str) -> None:
        """Puts a text where the focus is, as a keyboard or a paste does."""
        self._page("Input.insertText", text=text)

    def press(self, key: str, code: int) -> None:
        """Presses and releases a key where the focus is, such as "Tab", 9."""
        for kind in ("rawKeyDown", "keyUp"):
            self._page("Input.dispatchKeyEvent", type=kind, key=key, code=key, windowsVirtualKeyCode=code)

    def screenshot(self) -> bytes:
        """Returns the whole page as a PNG file."""
        result = self._page("Page.captureScreenshot", captureBeyondViewport=True)
        return base64.b64decode(result["data"])

    def pdf(self) -> bytes:
        """Returns the page as it is printed."""
        return base64.b64decode(self._page("Page.printToPDF")["data"])


@contextmanager
def chromium(profile: Path) -> Iterator[Chromium]:
    """Starts a browser whose files are below a folder, and ends it after the block."""
    assert BINARY
    command_reader, command_writer = os.pipe()
    answer_reader, answer_writer = os.pipe()
    flags = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars"]
    flags += [
        "--remote-debugging-pipe",
        f"--user-data-dir={profile}",
        "--no-first-run",
        "--disable-background-networking",
    ]

    def connect() -> None:
        # Chromium reads commands from 3 and answers on 4; either may be one of the pipes' ends.
        ends = [fcntl.fcntl(end, fcntl.F_DUPFD_CLOEXEC, 10) for end in (command_reader, answer_writer)]
        for number, end in zip((3, 4), ends):
            os.dup2(end, number)

    process = subprocess.Popen(
        [BINARY, *flags],
        close_fds=False,  # It would close 3 and 4; all others close by themselves.
        preexec_fn=connect,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        os.close(command_reader)
        os.close(answer_writer)
        yield Chromium(command_writer, answer_reader)
    finally:
        os.close(command_writer)
        os.close(answer_reader)
        process.terminate()
        process.wait()
