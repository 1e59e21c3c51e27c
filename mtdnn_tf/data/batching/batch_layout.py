"""The rows of a batch on replicas and in parts, and the few shapes that compiled programs take them in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

_SMALLEST = 16


class ReplicaLayout(NamedTuple):
    """The rows of a batch that one replica computes, in parts of equal size."""

    rows: np.ndarray  # Row of the batch at each place, int [parts, size].
    is_real: np.ndarray  # Whether a place holds the row, or repeats it as padding, bool [parts, size].

    @property
    def size(self) -> int:
        """Number of places in each part."""
        return int(self.rows.shape[1])

    def padded(self, size: int) -> ReplicaLayout:
        """Returns the layout with parts of a larger size."""
        place = np.arange(size)
        kept = np.minimum(place, self.size - 1)
        return ReplicaLayout(self.rows[:, kept], self.is_real[:, kept] & (place < self.size))

    def take(self, batch: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Returns the features [rows, ...] of a batch at the places, one part after the other: [parts * size, ...]."""
        places = self.rows.ravel()
        return {name: values[places] for name, values in batch.items()}

    def arrange(self, batch: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Returns what `take` does of a batch with `query` and `example_weight`, where padding has no weight."""
        arranged, is_real = self.take(batch), self.is_real.ravel()
        arranged["example_weight"] = np.where(is_real, arranged["example_weight"], 0.0).astype(np.float32)
        # A repeated row is not a candidate of the query it is taken from.
        arranged["query"] = np.where(is_real, arranged["query"], batch["query"].max() + 1).astype(np.int32)
        return arranged


def lay_out(query: np.ndarray, replicas: int = 1, parts: int = 1) -> list[ReplicaLayout]:
    """Distributes the rows of a batch over replicas, and over the parts of each replica.

    The candidates of a query stay in one part: the largest queries are dealt first, each to the replica, and there to
    the part, with the fewest rows. Otherwise rows are dealt to the replicas in turn, and each part takes the next rows
    of its replica, which are of similar length. All replicas have the same number of rows, padding included. `query` is
    the number of each row's query, 0 or more, int [rows]; of a task without queries each row has its own.
    """
    layouts = []
    for own, is_real in zip(*_fill(_deal(query, replicas), len(query) - 1)):
        # Padding belongs to no query.
        own_query = np.where(is_real, query[own], -1 - np.arange(len(own)))
        if len(np.unique(own_query)) < len(own):
            shares = _deal(own_query, parts)
        else:
            size = -(-len(own) // parts)
            shares = np.split(np.arange(len(own)), range(size, parts * size, size))
        places, filled = _fill(shares, len(own) - 1)
        layouts.append(ReplicaLayout(own[places], is_real[places] & filled))
    return layouts


def _deal(query: np.ndarray, count: int) -> list[np.ndarray]:
    """Returns the rows of each of `count` shares: the largest queries first, each to the smallest share."""
    if count == 1:
        return [np.arange(len(query))]
    shares: list[list[np.ndarray]] = [[np.zeros(0, np.int64)] for _ in range(count)]
    filled = np.zeros(count, np.int64)
    _, numbers, sizes = np.unique(query, return_inverse=True, return_counts=True)
    for number in np.argsort(-sizes, kind="stable"):
        smallest = int(np.argmin(filled))
        shares[smallest].append(np.flatnonzero(numbers == number))
        filled[smallest] += sizes[number]
    return [np.concatenate(rows) for rows in shares]


def _fill(shares: Sequence[np.ndarray], filler: int) -> tuple[np.ndarray, np.ndarray]:
    """Returns shares of unequal size as one array [shares, largest size], and which of its places they fill."""
    sizes = np.array([len(share) for share in shares])
    filled = np.arange(sizes.max()) < sizes[:, np.newaxis]
    rows = np.full(filled.shape, filler)
    rows[filled] = np.concatenate(shares)
    return rows, filled


def restore_rows(layouts: Sequence[ReplicaLayout], outputs: Sequence[np.ndarray]) -> np.ndarray:
    """Returns the outputs [rows, ...] for a batch from those of each replica, [parts * size, ...]; inverts `take`."""
    is_real = np.concatenate([layout.is_real.ravel() for layout in layouts])
    rows = np.concatenate([layout.rows.ravel() for layout in layouts])[is_real]
    return np.concatenate(outputs)[is_real][np.argsort(rows)]


def static_size(size: int, most: int | None = None) -> int:
    """Returns the smallest of 16, 24, 32, 48, 64, 96 and so on that is not below a size: at most a third is padding.

    A bound `most` of all sizes replaces the largest of them.
    """
    bucket = _SMALLEST
    while bucket < size:
        # 2^k to 3 * 2^(k - 1) and on to 2^(k + 1).
        bucket = bucket * 3 // 2 if bucket & (bucket - 1) == 0 else bucket * 4 // 3
    return bucket if most is None else max(min(bucket, most), size)


def doubled_size(size: int, base: int) -> int:
    """Returns the smallest of `base`, 2 `base`, 4 `base` and so on that is not below a size."""
    while base < size:
        base *= 2
    return base


def pad_length(batch: dict[str, np.ndarray], length: int) -> dict[str, np.ndarray]:
    """Returns a batch whose `token_ids`, `segment_ids` and `padding_mask`, [rows, up to `length`], are padded to it."""
    missing, names = length - batch["padding_mask"].shape[1], ("token_ids", "segment_ids", "padding_mask")
    return {**batch, **{name: np.pad(batch[name], ((0, 0), (0, missing))) for name in names}}
