"""Batches of a task: of so many rows, of at most so many tokens, or of whole queries.

A pass over a task's rows is a few arrays with numbers per row and per batch, so that a task may have millions of rows.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from mtdnn_tf.data.batching.permutation import seeded_permutation

# Rows of one class of lengths share batches: at most so much longer than the shortest, unless a class had too few rows.
_LONGEST_TO_SHORTEST = 1.25
_BATCHES_PER_CLASS = 4
# Batches are cut from rows sorted by length within chunks of about this many batches: enough for little padding,
# and few enough that a row meets other rows in every epoch.
BATCHES_PER_CHUNK = 50


class Pass(NamedTuple):
    """One pass over the rows of a task: its batches, in training order."""

    rows: np.ndarray  # Rows of all batches; those of a batch follow each other, int [rows].
    starts: np.ndarray  # Where each batch begins in `rows`, int [batches].
    stops: np.ndarray  # Where each batch ends, int [batches].

    def batch(self, number: int) -> np.ndarray:
        """Returns the rows of a batch, counted from 0, int64 [rows of the batch]."""
        return self.rows[self.starts[number] : self.stops[number]].astype(np.int64)


def smallest_ints(numbers: np.ndarray) -> np.ndarray:
    """Returns numbers of rows, or of what is not more, in 4 bytes each if they fit."""
    return numbers.astype(np.int32) if len(numbers) <= np.iinfo(np.int32).max else numbers


def _even_borders(count: int, parts: int) -> np.ndarray:
    """Returns the borders of parts of nearly equal size, the larger ones first, int64 [parts + 1]."""
    places = np.arange(parts + 1)
    return places * (count // parts) + np.minimum(places, count % parts)


def _chunk_borders(batches: int) -> np.ndarray:
    """Returns the borders of chunks of batches, of nearly equal size: a short last one would be badly padded."""
    return _even_borders(batches, -(-batches // BATCHES_PER_CHUNK))


def _sort_in_chunks(rows: np.ndarray, lengths: np.ndarray, borders: np.ndarray) -> None:
    """Sorts rows by length within chunks of the batches that have these `borders`, in place."""
    chunks = borders[_chunk_borders(len(borders) - 1)].tolist()
    for start, stop in zip(chunks, chunks[1:]):
        taken = rows[start:stop]
        rows[start:stop] = taken[np.argsort(lengths[taken], kind="stable")]


class RowBatches:
    """Cuts a task's rows into batches of `batch_size` rows, of which one may be smaller."""

    def __init__(self, lengths: np.ndarray, batch_size: int) -> None:
        self._lengths = lengths
        self._borders = np.append(np.arange(0, len(lengths), batch_size), len(lengths))
        self.count = len(self._borders) - 1

    def cut(self, *key: int | str) -> Pass:
        """Returns the batches of one pass, shuffled by the key."""
        rows = smallest_ints(seeded_permutation(len(self._lengths), "rows", *key))
        _sort_in_chunks(rows, self._lengths, self._borders)
        order = seeded_permutation(self.count, "batches", *key)
        return Pass(rows, self._borders[order], self._borders[order + 1])


class QueryBatches:
    """Cuts the rows of a ranking into batches that no query is split over.

    How many candidates the queries of each batch have is fixed once, so that every pass has as many batches (`count`);
    which queries of that size they are changes from pass to pass. A query with more rows than `batch_size` is a batch
    of its own.
    """

    def __init__(self, queries: np.ndarray, lengths: np.ndarray, batch_size: int) -> None:
        _, number, self._sizes = np.unique(queries, return_inverse=True, return_counts=True)
        # The rows of query 0, those of query 1, and so on.
        self._rows = smallest_ints(np.argsort(number, kind="stable"))
        self._starts = np.cumsum(self._sizes) - self._sizes
        self._lengths = _longest_of_queries(number, lengths)
        self._of_size = {int(size): np.flatnonzero(self._sizes == size) for size in np.unique(self._sizes)}
        self._packed, self._borders = pack_sizes(self._sizes, batch_size)
        self.count = len(self._borders) - 1

    def cut(self, *key: int | str) -> Pass:
        """Returns the batches of one pass, shuffled by the key."""
        waiting = {
            size: queries[seeded_permutation(len(queries), f"queries of {size}", *key)]
            for size, queries in self._of_size.items()
        }
        order = seeded_permutation(self.count, "batches", *key)
        # Filled from short to long, trained on in another order.
        chunks = _chunk_borders(self.count).tolist()
        places = [seeded_permutation(stop - start, "places", *key, start) for start, stop in zip(chunks, chunks[1:])]
        queries = [self._fill(order[start:stop], waiting, of) for start, stop, of in zip(chunks, chunks[1:], places)]
        trained = np.concatenate([order[start:][of] for start, of in zip(chunks, places)])
        return self._pass(np.concatenate(queries), np.diff(self._borders)[trained])

    def _fill(self, batches: np.ndarray, waiting: dict[int, np.ndarray], places: np.ndarray) -> np.ndarray:
        """Returns the queries of a chunk of batches, batch after batch by `places`; takes them from those that wait."""
        counts = np.diff(self._borders)[batches]
        sizes = self._packed[_ranges(self._borders[batches], counts)]
        queries = np.empty(len(sizes), np.int64)
        for size, wanted in zip(*(found.tolist() for found in np.unique(sizes, return_counts=True))):
            taken, waiting[size] = np.split(waiting[size], [wanted])
            queries[sizes == size] = taken[np.argsort(self._lengths[taken], kind="stable")]
        return queries[_ranges((np.cumsum(counts) - counts)[places], counts[places])]

    def _pass(self, queries: np.ndarray, counts: np.ndarray) -> Pass:
        """Returns the pass of queries, of which each batch in turn has so many."""
        sizes = self._sizes[queries]
        ends = np.append(0, np.cumsum(sizes))[np.append(0, np.cumsum(counts))]
        return Pass(self._rows[_ranges(self._starts[queries], sizes)], ends[:-1], ends[1:])


def _ranges(starts: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Returns `counts` numbers from each of `starts` on, one range after the other, int64."""
    ends = np.cumsum(counts)
    return np.repeat(starts - (ends - counts), counts) + np.arange(ends[-1])


def _longest_of_queries(number: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """Returns the largest of the lengths of each query's rows, given the number of each row's query."""
    longest = np.zeros(number.max() + 1, np.asarray(lengths).dtype)
    np.maximum.at(longest, number, lengths)
    return longest


def pack_sizes(sizes: np.ndarray, capacity: int) -> tuple[np.ndarray, np.ndarray]:
    """Packs sizes into batches whose sums do not exceed a capacity (larger ones alone): best fit, largest first.

    Returns:
        The sizes, batch after batch, int64 [sizes], and the borders of the batches there, int64 [batches + 1].
    """
    falling = np.sort(sizes)[::-1].astype(np.int64)
    batch_of = np.empty(len(falling), np.int64)
    count = 0
    # Batches by the room that is left in them.
    open_batches: list[list[int]] = [[] for _ in range(capacity + 1)]
    for place, size in enumerate(falling):
        room = next((room for room in range(size, capacity + 1) if open_batches[room]), None)
        if room is None:
            number, room = count, max(capacity, int(size))
            count += 1
        else:
            number = open_batches[room].pop()
        batch_of[place] = number
        if room - size > 0:
            open_batches[room - size].append(number)
    borders = np.append(0, np.cumsum(np.bincount(batch_of)))
    return falling[np.argsort(batch_of, kind="stable")], borders


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

    def cut(self, *key: int | str) -> Pass:
        """Returns the batches of one pass, shuffled by the key."""
        passes = [self._cut_class(number, *key) for number in range(len(self._classes))]
        before = np.repeat(np.cumsum([0, *map(len, self._classes[:-1])]), self._counts)
        order = seeded_permutation(self.count, "batches", *key)
        rows, starts, stops = (np.concatenate(parts) for parts in zip(*passes))
        return Pass(rows, (starts + before)[order], (stops + before)[order])

    def _cut_class(self, number: int, *key: int | str) -> Pass:
        """Returns the batches of a class of lengths."""
        rows, packed = self._classes[number], self._queries[number]
        if packed is not None:
            of_class = packed.cut(*key, number)
            return of_class._replace(rows=rows[of_class.rows])
        shuffled = rows[seeded_permutation(len(rows), "rows", number, *key)]
        # Of nearly equal size: a short last one would be a step on a handful of rows.
        borders = _even_borders(len(rows), self._counts[number])
        _sort_in_chunks(shuffled, self._lengths, borders)
        return Pass(shuffled, borders[:-1], borders[1:])


def _length_classes(longest: np.ndarray, batch_tokens: int) -> list[np.ndarray]:
    """Returns the rows of each class, from short to long; rows of one length are of one class."""
    order = smallest_ints(np.argsort(longest, kind="stable"))
    lengths = longest[order]
    classes, start = [], 0
    while start < len(order):
        stop = int(np.searchsorted(lengths, int(lengths[start] * _LONGEST_TO_SHORTEST), side="right"))
        while stop < len(order) and stop - start < _BATCHES_PER_CLASS * max(batch_tokens // int(lengths[stop - 1]), 1):
            stop = int(np.searchsorted(lengths, lengths[stop], side="right"))
        classes.append(np.sort(order[start:stop]))
        start = stop
    return classes
