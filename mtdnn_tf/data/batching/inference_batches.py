"""Which rows share a batch when a split is predicted."""

from __future__ import annotations

import numpy as np

# Sorted alone, a window of as many batches has hardly more padding than all rows sorted together.
_BATCHES_PER_WINDOW = 256


def window_size(batch_size: int) -> int:
    """Returns the number of rows that are sorted by length and divided into batches of their own."""
    return batch_size * _BATCHES_PER_WINDOW


def batched_order(lengths: np.ndarray, batch_size: int) -> np.ndarray:
    """Returns the order in which rows are batched, as indices, int64 [rows]: the longest rows of each window first.

    Rows of similar length share a batch. A window has rows that follow each other, so that the batches of a part of the
    rows are known without the lengths of all.

    Args:
        lengths: Tokens of each row, int32 [rows].
        batch_size: Number of rows per batch.
    """
    size = window_size(batch_size)
    order = np.empty(len(lengths), np.int64)
    for start in range(0, len(lengths), size):
        order[start : start + size] = start + np.argsort(-lengths[start : start + size], kind="stable")
    return order
