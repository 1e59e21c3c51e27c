"""Sequences of texts that are no list in memory."""

from __future__ import annotations

import codecs
import mmap
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

# A place of every 64th line takes an eighth of a byte per line; a line is found among 64 in a microsecond.
_LINES_PER_PLACE = 64
_BYTES_READ_AT_ONCE = 1 << 20


class Texts(Sequence[str]):
    """Texts by their number; a subclass says where they are."""

    def __getitem__(self, place: Any) -> Any:
        if isinstance(place, slice):
            return [self._text(index) for index in range(*place.indices(len(self)))]
        return self._text(range(len(self))[place])

    def _text(self, index: int) -> str:
        """Returns a text by its number, from 0."""
        raise NotImplementedError

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and len(self) == len(other) and all(a == b for a, b in zip(self, other))

    __hash__ = None  # type: ignore[assignment]


class TextLines(Texts):
    """The lines of a UTF-8 file, memory-mapped and decoded one by one: as objects, ids take eight times the bytes.

    What follows the last line feed is no line.

    Raises:
        UnicodeDecodeError: The file is not UTF-8.
    """

    def __init__(self, path: Path) -> None:
        decoder = codecs.getincrementaldecoder("utf-8")()
        places, self._len, size, end = [0], 0, 0, 0
        with path.open("rb") as file:
            while block := file.read(_BYTES_READ_AT_ONCE):
                decoder.decode(block)
                ends = np.flatnonzero(np.frombuffer(block, np.uint8) == ord("\n")) + size + 1
                places += ends[-(self._len + 1) % _LINES_PER_PLACE :: _LINES_PER_PLACE].tolist()
                self._len, size = self._len + len(ends), size + len(block)
                end = int(ends[-1]) if len(ends) else end
            decoder.decode(b"", final=True)
            # An empty file cannot be mapped.
            self._content: mmap.mmap | bytes = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) if size else b""
        if self._len % _LINES_PER_PLACE:
            places.append(end)
        self._places = np.array(places, np.int64)
        self._last: tuple[int, list[str]] = (-1, [])

    def __len__(self) -> int:
        return self._len

    def __iter__(self) -> Iterator[str]:
        for number in range(len(self._places) - 1):
            yield from self._lines(number)

    def _text(self, index: int) -> str:
        number, (last, lines) = index // _LINES_PER_PLACE, self._last
        # Texts are often asked for in their order.
        if number != last:
            self._last = (number, lines := self._lines(number))
        return lines[index % _LINES_PER_PLACE]

    def _lines(self, number: int) -> list[str]:
        """Returns the lines from one place to the next."""
        start, end = self._places[number : number + 2].tolist()
        return self._content[start : end - 1].decode().split("\n")


class TakenTexts(Texts):
    """Some of other texts, by their numbers, int [texts]."""

    def __init__(self, texts: Sequence[str], rows: np.ndarray) -> None:
        self._texts, self._rows = texts, rows

    def __len__(self) -> int:
        return len(self._rows)

    def _text(self, index: int) -> str:
        return self._texts[int(self._rows[index])]


class JoinedTexts(Texts):
    """Texts of several parts, one part after the other, as "<name>/<text>", or as they are if a part has no name."""

    def __init__(self, parts: Sequence[tuple[str, Sequence[str]]]) -> None:
        self._parts = [(name and f"{name}/", texts) for name, texts in parts]
        self._starts = np.cumsum([0, *(len(texts) for _, texts in parts)])

    def __len__(self) -> int:
        return int(self._starts[-1])

    def __iter__(self) -> Iterator[str]:
        return (f"{prefix}{text}" for prefix, texts in self._parts for text in texts)

    def _text(self, index: int) -> str:
        number = int(np.searchsorted(self._starts, index, side="right")) - 1
        prefix, texts = self._parts[number]
        return f"{prefix}{texts[index - int(self._starts[number])]}"
