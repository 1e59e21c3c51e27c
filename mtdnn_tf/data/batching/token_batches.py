"""Batches of a task by their number of tokens: many short rows, or few long ones."""

from __future__ import annotations

import numpy as np

from mtdnn_tf.data.batching.permutation import seeded_permutation
from mtdnn_tf.data.batching.query_batches import QueryBatches

# Rows of one class of lengths share batches: at most so much longer than the shortest, unless a class had too few rows.
_LONGEST_TO_SHORTEST = 1.25
_BATCHES_PER_CLASS = 4


class TokenBatches:
    """Cuts a task's rows into batches that have at most so many tokens when padded to their longest row.

    Rows are put into classes of similar length once, so that every pass has as many batches; which rows of a class meet
    in a batch changes from pass to pass.

    Args:
        lengths: Tokens of each row, int [rows].
        queries: Of a ranking, whose query each row belongs to, int [rows], which no batch splits; None for other kinds.
        batch_tokens: Most tokens of a batch, padding included; a row, or a query, that has more is a batch of its own.
        batches_per_chunk: Rows are sorted by length within chunks of about so many batches.

    Attributes:
        count: Number of batches.
    """

    def __init__(
        self, lengths: np.ndarray, queries: np.ndarray | None, batch_tokens: int, batches_per_chunk: int
    ) -> None:
        self._lengths = np.asarray(lengths)
        self._batches_per_chunk = batches_per_chunk
        longest = self._lengths
        if queries is not None:
            _, number, sizes = np.unique(queries, return_inverse=True, return_counts=True)
            by_query = np.argsort(number, kind="stable")
            longest = np.maximum.reduceat(self._lengths[by_query], np.cumsum(sizes) - sizes)[number]
        self._classes = _length_classes(longest, batch_tokens)
        capacities = [max(batch_tokens // int(longest[rows].max()), 1) for rows in self._classes]
        self._queries = [
            None if queries is None else QueryBatches(queries[rows], self._lengths[rows], capacity, batches_per_chunk)
            for rows, capacity in zip(self._classes, capacities)
        ]
        self._counts = [
            -(-len(rows) // capacity) if packed is None else packed.count
            for rows, capacity, packed in zip(self._classes, capacities, self._queries)
        ]
        self.count = sum(self._counts)

    def cut(self, *key: int | str) -> list[np.ndarray]:
        """Returns the batches of one pass over the rows, in the order they are trained on.

        Args:
            *key: Chooses the shuffles.

        Returns:
            Row numbers of each batch, int64.
        """
        batches: list[np.ndarray] = []
        for number, (rows, count, packed) in enumerate(zip(self._classes, self._counts, self._queries)):
            if packed is None:
                batches += self._cut_class(rows, count, number, *key)
            else:
                batches += [rows[places] for places in packed.cut(*key, number)]
        return [batches[place] for place in seeded_permutation(self.count, "batches", *key)]

    def _cut_class(self, rows: np.ndarray, count: int, *key: int | str) -> list[np.ndarray]:
        shuffled = rows[seeded_permutation(len(rows), "rows", *key)]
        # Of nearly equal size: a short last one would be a step on a handful of rows.
        borders = np.cumsum([0, *map(len, np.array_split(shuffled, count))])
        batches = []
        for chunk in np.array_split(np.arange(count), -(-count // self._batches_per_chunk)):
            start, stop = borders[chunk[0]], borders[chunk[-1] + 1]
            taken = shuffled[start:stop]
            by_length = taken[np.argsort(self._lengths[taken], kind="stable")]
            batches += np.split(by_length, borders[chunk[1:]] - start)
        return batches


def _length_classes(longest: np.ndarray, batch_tokens: int) -> list[np.ndarray]:
    """Returns the rows of each class, from short to long; rows of one length are of one class."""
    order = np.argsort(longest, kind="stable")
    lengths = longest[order]
    classes, start = [], 0
    while start < len(order):
        stop = int(np.searchsorted(lengths, int(lengths[start] * _LONGEST_TO_SHORTEST), side="right"))
        while stop < len(order) and stop - start < _BATCHES_PER_CLASS * max(batch_tokens // int(lengths[stop - 1]), 1):
            stop = int(np.searchsorted(lengths, lengths[stop], side="right"))
        classes.append(np.sort(order[start:stop]))
        start = stop
    return classes
