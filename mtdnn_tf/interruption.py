"""Stopping at a safe point when SIGTERM or SIGINT asks for it."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
from collections.abc import Iterator
from types import FrameType

# 75 is EX_TEMPFAIL of sysexits.h: trying again may succeed. 130 is what shells give for Ctrl-C.
EXIT_STATUS = {signal.SIGTERM: 75, signal.SIGINT: 130}
# A process group's signal often comes twice, as from timeout(1); a person's second one does not come as soon.
_SAME_REQUEST_SECONDS = 0.5


class Interrupted(BaseException):
    """Raised once, where work can be left, after a signal asked for it.

    No `Exception`, so that nothing takes it for a failure that it can do without.

    Args:
        signal_number: The signal.
        where: How far the work came, such as "at step 12 of runs/a"; empty if nothing is lost.
    """

    def __init__(self, signal_number: signal.Signals, where: str = "") -> None:
        super().__init__(signal_number, where)
        self.signal_number = signal_number
        self._where = where

    def __str__(self) -> str:
        return f"stopped by {self.signal_number.name}{self._where and f' {self._where}'}; the same command continues"

    @property
    def exit_status(self) -> int:
        """The status that the process is to end with."""
        return EXIT_STATUS[self.signal_number]

    def at(self, where: str) -> Interrupted:
        """Returns the same, with how far the work came unless that is known."""
        return Interrupted(self.signal_number, self._where or where)


class _State:
    """What of this process is known to its one handler."""

    requested: signal.Signals | None = None
    postponed = 0


def install_handlers() -> None:
    """Makes SIGTERM and SIGINT raise `Interrupted`, or wait for the next safe point, and a second one end at once.

    Binaries call it, in the main thread; importing the library changes no handler.
    """
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    # Python's own handler waits for the end of a TensorFlow operation; this descriptor is written to at once.
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
                os.write(2, f"ended at once by a second {signal.Signals(number).name}\n".encode())
                os._exit(128 + number)


def stop_if_asked() -> None:
    """Marks a safe point.

    Raises:
        Interrupted: A signal has asked for it.
    """
    if _State.requested is not None:
        raise Interrupted(_State.requested)


@contextlib.contextmanager
def postponed() -> Iterator[None]:
    """Within the block, a signal is heard at `stop_if_asked` alone; outside of any, at once."""
    _State.postponed += 1
    try:
        yield
    finally:
        _State.postponed -= 1
