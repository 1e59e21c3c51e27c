"""Stops at a safe point after SIGTERM or SIGINT."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
from collections.abc import Iterator
from types import FrameType

# 75 is EX_TEMPFAIL of sysexits.h: a retry may succeed. 130 is the shells' status for Ctrl-C.
EXIT_STATUS = {signal.SIGTERM: 75, signal.SIGINT: 130}
# timeout(1) and others signal a process group twice at once; a user's second Ctrl-C comes later.
_SAME_REQUEST_SECONDS = 0.5


class Interrupted(BaseException):
    """Raised once, at a safe point after a signal; `where` is the progress, such as "at step 12 of runs/a".

    Not an `Exception`, so that handlers of failures do not catch it.
    """

    def __init__(self, signal_number: signal.Signals, where: str = "") -> None:
        super().__init__(signal_number, where)
        self.signal_number = signal_number
        self._where = where

    def __str__(self) -> str:
        return f"stopped by {self.signal_number.name}{self._where and f' {self._where}'}; the same command continues"

    @property
    def exit_status(self) -> int:
        """Exit status of the process."""
        return EXIT_STATUS[self.signal_number]

    def at(self, where: str) -> Interrupted:
        """Returns a copy with the progress, unless it has one."""
        return Interrupted(self.signal_number, self._where or where)


class _State:
    """State of the process's signal handler."""

    requested: signal.Signals | None = None
    postponed = 0


def install_handlers() -> None:
    """Makes SIGTERM and SIGINT raise `Interrupted`, at once or at the next safe point; a second signal exits at once.

    Call it in the main thread of a program. Importing the library changes no handler.
    """
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    # Python's own handler runs only after the current TensorFlow operation; this descriptor is written at once.
    signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    threading.Thread(target=_end_at_second, args=(reader,), daemon=True).start()
    for number in EXIT_STATUS:
        signal.signal(number, _handle)


def _handle(number: int, frame: FrameType | None) -> None:
    if _State.requested is not None:
        return
    _State.requested = signal.Signals(number)
    if not _State.postponed:
        raise Interrupted(_State.requested)


def _end_at_second(reader: int) -> None:
    first = None
    while True:
        for number in os.read(reader, 64):
            if number not in list(EXIT_STATUS):
                continue
            if first is None:
                first = time.monotonic()
            elif time.monotonic() - first > _SAME_REQUEST_SECONDS:
                os.write(2, f"exited at once after a second {signal.Signals(number).name}\n".encode())
                os._exit(128 + number)


def stop_if_asked() -> None:
    """Marks a safe point: raises `Interrupted` if a signal was received."""
    if _State.requested is not None:
        raise Interrupted(_State.requested)


@contextlib.contextmanager
def postponed() -> Iterator[None]:
    """Delays signals within the block until `stop_if_asked`."""
    _State.postponed += 1
    try:
        yield
    finally:
        _State.postponed -= 1
