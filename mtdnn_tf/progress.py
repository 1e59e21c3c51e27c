"""How far a long command is: a bar with the time left on a terminal, a line a minute in a log."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from typing import TypeVar

from tqdm import tqdm

SECONDS = 60.0
_DELAY = 2.0
_T = TypeVar("_T")
_log = logging.getLogger("absl")


class Pace:
    """Tells when a line is due, and how much time is left.

    Args:
        total: Number of steps.
        seconds: Time between lines.
        first: Number of steps that were done before, whose time is not known. Defaults to 0.
    """

    def __init__(self, total: int, seconds: float = SECONDS, first: int = 0) -> None:
        self._total = total
        self._seconds = seconds
        self._first = first
        self._started = self._last = time.monotonic()

    def line(self, done: int) -> str | None:
        """Returns how far it is, or None if no line is due."""
        now = time.monotonic()
        if now - self._last < self._seconds or done <= self._first:
            return None
        self._last = now
        left = (now - self._started) / (done - self._first) * (self._total - done)
        return f"{done} of {self._total}, about {_duration(left)} left"


def watched(items: Sequence[_T], what: str, seconds: float = SECONDS) -> Iterator[_T]:
    """Yields the items, and shows how many have been processed.

    Args:
        items: The items.
        what: What is done with them, such as "encoding mnli train".
        seconds: Time between the lines of a log. Defaults to a minute.
    """
    on_terminal = sys.stderr.isatty()
    pace = Pace(len(items), seconds)
    for done, item in enumerate(tqdm(items, desc=what, leave=False, delay=_DELAY, disable=not on_terminal)):
        if not on_terminal and (line := pace.line(done)):
            _log.info("%s: %s", what, line)
        yield item


def counted(batches: Iterable[Sequence[_T]], what: str, seconds: float = SECONDS) -> Iterator[Sequence[_T]]:
    """Yields batches of a stream whose end is not known, and shows how many rows came; arguments as of `watched`."""
    on_terminal = sys.stderr.isatty()
    rows, last = 0, time.monotonic()
    with tqdm(desc=what, leave=False, delay=_DELAY, disable=not on_terminal, unit=" rows") as bar:
        for batch in batches:
            rows += len(batch)
            bar.update(len(batch))
            if not on_terminal and (now := time.monotonic()) - last >= seconds:
                last = now
                _log.info("%s: %d rows", what, rows)
            yield batch


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes / 60:.1f} h"
