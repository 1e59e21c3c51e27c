"""Sorting more lines of text than memory holds."""

from __future__ import annotations

import bisect
import dataclasses
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO

_CHARACTERS_IN_MEMORY = 1 << 24
# Short lines take more memory than their characters.
_CHARACTERS_OF_AN_OBJECT = 50
_LEAST_READ = 1 << 12


class SortedLines:
    """Lines sorted by the code points of their characters; beyond a limit they are on disk.

    Args:
        folder: Where a temporary file is made if it is needed; the file has no name and is never left behind.
        limit: Number of characters in memory, at least; the lines on disk are merged within as many.
    """

    def __init__(self, folder: Path, limit: int = _CHARACTERS_IN_MEMORY) -> None:
        self._folder = folder
        self._limit = limit
        self._lines: list[str] = []
        self._characters = 0
        self._file: IO[bytes] | None = None
        self._ends = [0]  # Where each sorted run of the file ends, after where the first begins.

    def add(self, lines: Sequence[str]) -> None:
        r"""Adds lines without "\n"."""
        self._lines += lines
        self._characters += sum(map(len, lines)) + _CHARACTERS_OF_AN_OBJECT * len(lines)
        if self._characters > self._limit:
            self._write_run()

    def blocks(self) -> Iterator[list[str]]:
        """Yields the lines in order, block by block, once; no line can be added any more."""
        if self._file is None:
            self._lines.sort()
            yield self._lines
            return
        if self._lines:
            self._write_run()
        size = max(_LEAST_READ, self._limit // (len(self._ends) - 1))
        with self._file as file:
            runs = [_Run(file, start, end) for start, end in zip(self._ends, self._ends[1:])]
            while runs:
                for run in runs:
                    run.fill(size)
                # What no run can have before it when it is read further.
                bound = min(run.lines[-1] for run in runs)
                block = [line for run in runs for line in run.take(bound)]
                block.sort()
                yield block
                runs = [run for run in runs if not run.is_at_end]

    def _write_run(self) -> None:
        if self._file is None:
            self._file = tempfile.TemporaryFile(dir=self._folder)  # noqa: SIM115
        self._lines.sort()
        self._lines.append("")
        self._file.write("\n".join(self._lines).encode())
        self._file.flush()
        self._ends.append(self._file.tell())
        self._lines, self._characters = [], 0


@dataclasses.dataclass
class _Run:
    """Sorted lines of a file of which some are in memory."""

    file: IO[bytes]
    position: int  # Where the lines begin that are not yet read.
    end: int
    lines: list[str] = dataclasses.field(default_factory=list)  # Those that are read and not taken.

    @property
    def is_at_end(self) -> bool:
        """Whether all lines are taken."""
        return not self.lines and self.position == self.end

    def fill(self, size: int) -> None:
        """Reads about so many bytes, and one line at least, if no line is in memory."""
        if self.lines:
            return
        self.file.seek(self.position)
        content = self.file.read(min(size, self.end - self.position))
        whole = content.rfind(b"\n") + 1
        if not whole:
            content += self.file.readline()
            whole = len(content)
        self.position += whole
        self.lines = content[: whole - 1].decode().split("\n")

    def take(self, bound: str) -> list[str]:
        """Removes and returns the lines up to a bound."""
        cut = bisect.bisect_right(self.lines, bound)
        taken = self.lines[:cut]
        del self.lines[:cut]
        return taken
