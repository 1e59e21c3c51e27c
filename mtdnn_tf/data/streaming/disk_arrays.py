"""Arrays of rows that are on disk instead of in memory, and the blocks in which they are gone through."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

_ROWS_AT_ONCE = 1 << 16


def disk_array(folder: Path | None, shape: Sequence[int], dtype: type = np.float32) -> np.ndarray:
    """Returns an array of zeros in a temporary file without a name, which is gone with the array.

    Args:
        folder: Where the file is made; None for an array in memory.
        shape: Its shape.
        dtype: Its type. Defaults to float32.

    Raises:
        OSError: The disk is full.
    """
    size = int(np.prod(shape, dtype=np.int64)) * np.dtype(dtype).itemsize
    if folder is None or not size:
        return np.zeros(shape, dtype)
    with tempfile.TemporaryFile(dir=folder) as file:
        # Where a map finds the disk full, the process is killed.
        if hasattr(os, "posix_fallocate"):
            os.posix_fallocate(file.fileno(), 0, size)
        else:
            file.truncate(size)
        return np.memmap(file, dtype, "r+", shape=tuple(shape)).view(np.ndarray)


def row_blocks(rows: int, at_once: int | None = None) -> list[slice]:
    """Returns blocks of at least so many rows (65,536 by default) that are all rows; one block of fewer."""
    # Sums over a single number are rounded in another order: no block is a small rest.
    count = max(1, rows // (at_once or _ROWS_AT_ONCE))
    return [slice(rows * number // count, rows * (number + 1) // count) for number in range(count)]
