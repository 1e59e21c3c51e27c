"""Lines of text that take little more memory than their bytes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import overload

import numpy as np


class TextLines(Sequence[str]):
    """The lines of a text, each made a `str` when it is asked for: a split's ids as objects take eight times its bytes.

    Args:
        content: UTF-8, each line ended by a line feed; what follows the last of them is no line.

    Raises:
        UnicodeDecodeError: The content is not UTF-8.
    """

    def __init__(self, content: bytes) -> None:
        content.decode()
        self._content = content
        self._ends = np.flatnonzero(np.frombuffer(content, np.uint8) == ord("\n"))

    def __len__(self) -> int:
        return len(self._ends)

    @overload
    def __getitem__(self, place: int) -> str: ...

    @overload
    def __getitem__(self, place: slice) -> list[str]: ...

    def __getitem__(self, place: int | slice) -> str | list[str]:
        if isinstance(place, slice):
            return [self[index] for index in range(*place.indices(len(self)))]
        index = range(len(self))[place]
        start = int(self._ends[index - 1]) + 1 if index else 0
        return self._content[start : int(self._ends[index])].decode()

    def __iter__(self) -> Iterator[str]:
        start = 0
        for end in self._ends.tolist():
            yield self._content[start:end].decode()
            start = end + 1

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and len(self) == len(other) and all(a == b for a, b in zip(self, other))

    __hash__ = None  # type: ignore[assignment]
