"""Arrays and texts of several files as one, which open a file when its rows are asked for."""

from __future__ import annotations

import bisect
import functools
import itertools
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Union

import numpy as np

from mtdnn_tf.data.streaming.text_lines import TextLines, Texts
from mtdnn_tf.files import read_array

# A mapped file takes a descriptor, of which a process has about a thousand.
_MOST_OPEN = 100


class JoinedArray:
    """Arrays of .npy files, one after the other, memory-mapped.

    Args:
        files: The files.
        lengths: The number of rows of each.
        like: An array of the type and the shape of the others' rows, such as the first.
        remedy: What the user can do if a file is damaged.
    """

    def __init__(self, files: Sequence[Path], lengths: Sequence[int], like: np.ndarray, remedy: str) -> None:
        self._starts = np.cumsum([0, *lengths])
        self._open = functools.lru_cache(_MOST_OPEN)(lambda number: read_array(files[number], remedy, mapped=True))
        self.dtype = like.dtype
        self.shape = (int(self._starts[-1]), *like.shape[1:])
        self.ndim = like.ndim

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows: Any) -> np.ndarray:
        """Returns the rows of a slice, or of an array of their numbers from 0."""
        places = np.arange(*rows.indices(len(self))) if isinstance(rows, slice) else np.asarray(rows)
        if len(places) and not 0 <= places.min() <= places.max() < len(self):
            raise IndexError(f"rows must be 0 to {len(self) - 1}, got {places.min()} to {places.max()}")
        numbers = np.searchsorted(self._starts, places, side="right") - 1
        found = np.empty((len(places), *self.shape[1:]), self.dtype)
        for number in np.unique(numbers).tolist():
            of_file = numbers == number
            found[of_file] = self._open(number)[places[of_file] - self._starts[number]]
        return found

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return np.asarray(self[:], dtype)


AnyArray = Union[np.ndarray, JoinedArray]


class JoinedLines(Texts):
    """Lines of UTF-8 files, one file after the other; arguments as of `JoinedArray`."""

    def __init__(self, files: Sequence[Path], lengths: Sequence[int]) -> None:
        # Bisection of a list is faster than NumPy's for one number.
        self._starts = [0, *itertools.accumulate(lengths)]
        self._open = functools.lru_cache(_MOST_OPEN)(lambda number: TextLines(files[number]))

    def __len__(self) -> int:
        return self._starts[-1]

    def __iter__(self) -> Iterator[str]:
        for number in range(len(self._starts) - 1):
            yield from self._open(number)

    def _text(self, index: int) -> str:
        number = bisect.bisect_right(self._starts, index) - 1
        return str(self._open(number)[index - self._starts[number]])
