"""One part of a scoring, and which rows it has."""

from __future__ import annotations

import dataclasses
import re

import numpy as np

from mtdnn_tf.data.batching.inference_batches import batched_order, window_size
from mtdnn_tf.errors import UserError, shortened

_MOST = 9999


@dataclasses.dataclass(frozen=True)
class Shard:
    """Part `index`, from 0, of `count` parts of a scoring.

    Its batches are those of one call: of the windows of `batched_order` every `count`-th one, as many as other shards
    have, and every `count`-th batch of the windows that are left.
    """

    index: int
    count: int

    def __post_init__(self) -> None:
        if not 0 <= self.index < self.count <= _MOST:
            raise _no_shard(str(self))

    def __str__(self) -> str:
        return f"{self.index}/{self.count}"

    def needed(self, num_rows: int, batch_size: int) -> np.ndarray:
        """Returns which of so many rows decide the batches of the shard, in rising order, int64 [needed rows]."""
        size, end = window_size(batch_size), self._end_of_whole(num_rows, batch_size)
        starts = range(self.index * size, end, self.count * size)
        whole = [np.arange(start, min(start + size, end)) for start in starts]
        return np.concatenate([*whole, np.arange(end, num_rows)])

    def order(self, lengths: np.ndarray, num_rows: int, batch_size: int) -> np.ndarray:
        """Returns the shard's rows in the order of its batches, as indices into `needed`, int64 [rows].

        Args:
            lengths: Tokens of each needed row, int32 [needed].
            num_rows: Number of all rows.
            batch_size: Number of rows per batch.
        """
        shared = num_rows - self._end_of_whole(num_rows, batch_size)
        whole = len(lengths) - shared
        last = whole + batched_order(lengths[whole:], batch_size)
        return np.concatenate([batched_order(lengths[:whole], batch_size), self.take(last, batch_size)])

    def take(self, rows: np.ndarray, batch_size: int) -> np.ndarray:
        """Returns the rows of every `count`-th batch: whole batches, so that none is padded to another length."""
        return rows[np.arange(len(rows)) // batch_size % self.count == self.index]

    def _end_of_whole(self, num_rows: int, batch_size: int) -> int:
        """Returns the number of rows, the first ones, whose windows belong to one shard each."""
        size = window_size(batch_size)
        windows = -(-num_rows // size)
        return min(num_rows, windows // self.count * self.count * size)


def parse_shard(text: str) -> Shard:
    """Returns the shard that a text such as "0/4" names."""
    if not re.fullmatch("[0-9]{1,9}/[0-9]{1,9}", text):
        raise _no_shard(text)
    return Shard(*map(int, text.split("/")))


def _no_shard(given: str) -> UserError:
    return UserError(
        f"--shard must be I/N, such as 0/4, with N from 1 to {_MOST} and I from 0 to N-1, got {shortened(given)!r}"
    )
