"""Batches of a task: of so many rows, of at most so many tokens, or of whole queries."""

from __future__ import annotations

import numpy as np

from mtdnn_tf.data.batching.permutation import seeded_permutation

# Rows of one class of lengths share batches: at most so much longer than the shortest, unless a class had too few rows.
_LONGEST_TO_SHORTEST = 1.25
_BATCHES_PER_CLASS = 4
# Batches are cut from rows sorted by length within chunks of about this many batches: enough for little padding,
# and few enough that a row meets other rows in every epoch.
BATCHES_PER_CHUNK = 50


def _chunks(batches: np.ndarray) -> list[np.ndarray]:
    """Returns batches in chunks of nearly equal size: a short last one would be badly padded."""
    return np.array_split(batches, -(-len(batches) // BATCHES_PER_CHUNK))


def _cut_by_length(shuffled: np.ndarray, lengths: np.ndarray, borders: np.ndarray) -> list[np.ndarray]:
    """Returns batches of the sizes between `borders`, of shuffled rows that are sorted by length within chunks."""
    batches: list[np.ndarray] = []
    for chunk in _chunks(np.arange(len(borders) - 1)):
        start, stop = borders[chunk[0]], borders[chunk[-1] + 1]
        taken = shuffled[start:stop]
        batches += np.split(taken[np.argsort(lengths[taken], kind="stable")], borders[chunk[1:]] - start)
    return batches


class RowBatches:
    """Cuts a task's rows into batches of `batch_size` rows, of which one may be smaller."""

    def __init__(self, lengths: np.ndarray, batch_size: int) -> None:
        self._lengths = lengths
        self._borders = np.append(np.arange(0, len(lengths), batch_size), len(lengths))
        self.count = len(self._borders) - 1

    def cut(self, *key: int | str) -> list[np.ndarray]:
        """Returns the rows of each batch of one pass in training order, shuffled by the key."""
        shuffled = seeded_permutation(len(self._lengths), "rows", *key)
        batches = _cut_by_length(shuffled, self._lengths, self._borders)
        return [batches[place] for place in seeded_permutation(self.count, "batches", *key)]


class QueryBatches:
    """Cuts the rows of a ranking into batches that no query is split over.

    How many candidates the queries of each batch have is fixed once, so that every pass has as many batches (`count`);
    which queries of that size they are changes from pass to pass. A query with more rows than `batch_size` is a batch
    of its own.
    """

    def __init__(self, queries: np.ndarray, lengths: np.ndarray, batch_size: int) -> None:
        _, number, sizes = np.unique(queries, return_inverse=True, return_counts=True)
        self._rows = np.split(np.argsort(number, kind="stable"), np.cumsum(sizes)[:-1])
        self._lengths = _longest_of_queries(number, lengths)
        self._of_size = {int(size): np.flatnonzero(sizes == size) for size in np.unique(sizes)}
        self._packed = pack_sizes(sizes, batch_size)
        self.count = len(self._packed)

    def cut(self, *key: int | str) -> list[np.ndarray]:
        """Returns the rows of each batch of one pass in training order, shuffled by the key."""
        waiting = {
            size: queries[seeded_permutation(len(queries), f"queries of {size}", *key)]
            for size, queries in self._of_size.items()
        }
        order = seeded_permutation(self.count, "batches", *key)
        batches: list[np.ndarray] = []
        for chunk in _chunks(order):
            slots = {size: sum(self._packed[batch].count(size) for batch in chunk) for size in waiting}
            by_length = {}
            for size, wanted in slots.items():
                taken, waiting[size] = np.split(waiting[size], [wanted])
                by_length[size] = iter(taken[np.argsort(self._lengths[taken], kind="stable")])
            filled = [[next(by_length[size]) for size in self._packed[batch]] for batch in chunk]
            # Filled from short to long, trained on in another order.
            places = seeded_permutation(len(filled), "places", *key, len(batches))
            batches += [np.concatenate([self._rows[query] for query in filled[place]]) for place in places]
        return batches


def _longest_of_queries(number: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """Returns the largest of the lengths of each query's rows, given the number of each row's query."""
    longest = np.zeros(number.max() + 1, np.asarray(lengths).dtype)
    np.maximum.at(longest, number, lengths)
    return longest


def pack_sizes(sizes: np.ndarray, capacity: int) -> list[list[int]]:
    """Returns the sizes of batches whose sums do not exceed a capacity (larger ones alone): best fit, largest first."""
    batches: list[list[int]] = []
    # Batches by the room that is left in them.
    open_batches: list[list[int]] = [[] for _ in range(capacity + 1)]
    for size in sorted(map(int, sizes), reverse=True):
        room = next((room for room in range(size, capacity + 1) if open_batches[room]), None)
        if room is None:
            batches.append([])
            number, room = len(batches) - 1, max(capacity, size)
        else:
            number = open_batches[room].pop()
        batches[number].append(size)
        if room - size > 0:
            open_batches[room - size].append(number)
    return batches


class TokenBatches:
    """Cuts a task's rows into batches that have at most so many tokens when padded to their longest row.

    Rows are put into classes of similar length once, so that every pass has as many batches (`count`); which rows of a
    class meet in a batch changes from pass to pass. No batch splits a query; a row or query with more tokens than
    `batch_tokens` is its own batch.
    """

    def __init__(self, lengths: np.ndarray, queries: np.ndarray | None, batch_tokens: int) -> None:
        self._lengths = np.asarray(lengths)
        longest = self._lengths
        if queries is not None:
            number = np.unique(queries, return_inverse=True)[1]
            longest = _longest_of_queries(number, self._lengths)[number]
        self._classes = _length_classes(longest, batch_tokens)
        capacities = [max(batch_tokens // int(longest[rows].max()), 1) for rows in self._classes]
        self._queries = [
            None if queries is None else QueryBatches(queries[rows], self._lengths[rows], capacity)
            for rows, capacity in zip(self._classes, capacities)
        ]
        self._counts = [
            -(-len(rows) // capacity) if packed is None else packed.count
            for rows, capacity, packed in zip(self._classes, capacities, self._queries)
        ]
        self.count = sum(self._counts)

    def cut(self, *key: int | str) -> list[np.ndarray]:
        """Returns the rows of each batch of one pass in training order, shuffled by the key."""
        batches: list[np.ndarray] = []
        for number, (rows, count, packed) in enumerate(zip(self._classes, self._counts, self._queries)):
            if packed is None:
                shuffled = rows[seeded_permutation(len(rows), "rows", number, *key)]
                # Of nearly equal size: a short last one would be a step on a handful of rows.
                borders = np.cumsum([0, *map(len, np.array_split(shuffled, count))])
                batches += _cut_by_length(shuffled, self._lengths, borders)
            else:
                batches += [rows[places] for places in packed.cut(*key, number)]
        return [batches[place] for place in seeded_permutation(self.count, "batches", *key)]


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
