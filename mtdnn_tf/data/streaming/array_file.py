"""A .npy file that is written a part at a time."""

from __future__ import annotations

import io
from pathlib import Path
from types import TracebackType

import numpy as np


class ArrayFile:
    """Writes the bytes that `numpy.save` would write of all parts together.

    Args:
        path: The file, which must not exist.
        like: An array of no rows, of the type and the shape of the others.
    """

    def __init__(self, path: Path, like: np.ndarray) -> None:
        self._like = like
        self.rows = 0
        self._header = self._header_of(0)
        self._file = path.open("xb")
        self._file.write(self._header)

    def add(self, rows: np.ndarray) -> None:
        """Adds rows of the array."""
        if rows.dtype != self._like.dtype or rows.shape[1:] != self._like.shape[1:]:
            raise ValueError(f"rows must be {self._like.dtype} {self._like.shape[1:]}, got {rows.dtype} {rows.shape}")
        self._file.write(np.ascontiguousarray(rows).data)
        self.rows += len(rows)

    def __enter__(self) -> ArrayFile:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._file:
            if error is None:
                header = self._header_of(self.rows)
                if len(header) != len(self._header):
                    raise ValueError(f"{self._file.name}: NumPy's headers differ in size")
                self._file.seek(0)
                self._file.write(header)

    def _header_of(self, rows: int) -> bytes:
        header, fields = io.BytesIO(), np.lib.format.header_data_from_array_1_0(self._like)
        np.lib.format.write_array_header_1_0(header, {**fields, "shape": (rows, *self._like.shape[1:])})
        return header.getvalue()
