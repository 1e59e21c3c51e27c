"""Shapes of batches that are few in number, for a compiler that makes a program for each of them."""

from __future__ import annotations

import numpy as np

_SMALLEST = 16


def static_size(size: int, most: int | None = None) -> int:
    """Returns the smallest of 16, 24, 32, 48, 64, 96 and so on that holds a size: a third of it is padding at most.

    Args:
        size: 0 or more.
        most: Larger than every size; the largest bucket is cut to it. Defaults to none.
    """
    bucket = _SMALLEST
    while bucket < size:
        # 2^k to 3 * 2^(k - 1) and on to 2^(k + 1).
        bucket = bucket * 3 // 2 if bucket & (bucket - 1) == 0 else bucket * 4 // 3
    return bucket if most is None else max(min(bucket, most), size)


def doubled_size(size: int, base: int) -> int:
    """Returns the smallest of `base`, twice `base`, four times `base` and so on that holds a size."""
    while base < size:
        base *= 2
    return base


def pad_length(batch: dict[str, np.ndarray], length: int) -> dict[str, np.ndarray]:
    """Returns a batch whose rows are filled up to a length with [PAD].

    Args:
        batch: Features [rows, ...]; `token_ids`, `segment_ids` and `padding_mask` are [rows, up to `length`].
        length: Word pieces.
    """
    missing = length - batch["padding_mask"].shape[1]
    padded = {
        name: np.pad(batch[name], ((0, 0), (0, missing))) for name in ("token_ids", "segment_ids", "padding_mask")
    }
    return {**batch, **padded}


def repeat_last_row(values: np.ndarray, rows: int) -> np.ndarray:
    """Returns values [one or more, ...] filled up to [rows, ...] with their last row."""
    return values[np.minimum(np.arange(rows), len(values) - 1)]
