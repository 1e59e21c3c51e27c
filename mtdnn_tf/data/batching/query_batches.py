"""Batches of a ranking: whole queries, with all of their candidates, of similar length."""

from __future__ import annotations

import numpy as np

from mtdnn_tf.data.batching.permutation import seeded_permutation


class QueryBatches:
    """Cuts the rows of a ranking into batches that no query is split over.

    How many candidates the queries of each batch have is fixed once, so that every pass has as many batches; which
    queries of that size they are changes from pass to pass.

    Args:
        queries: Whose query each row belongs to, int [rows].
        lengths: Tokens of each row, int [rows].
        batch_size: Most rows of a batch; a query that has more is a batch of its own.
        batches_per_chunk: Queries are sorted by length within chunks of about so many batches.

    Attributes:
        count: Number of batches.
    """

    def __init__(self, queries: np.ndarray, lengths: np.ndarray, batch_size: int, batches_per_chunk: int) -> None:
        _, number, sizes = np.unique(queries, return_inverse=True, return_counts=True)
        by_query = np.argsort(number, kind="stable")
        self._rows = np.split(by_query, np.cumsum(sizes)[:-1])
        self._lengths = np.maximum.reduceat(np.asarray(lengths)[by_query], np.cumsum(sizes) - sizes)
        self._of_size = {int(size): np.flatnonzero(sizes == size) for size in np.unique(sizes)}
        self._packed = pack_sizes(sizes, batch_size)
        self._batches_per_chunk = batches_per_chunk
        self.count = len(self._packed)

    def cut(self, *key: int | str) -> list[np.ndarray]:
        """Returns the batches of one pass over the rows, in the order they are trained on.

        Args:
            *key: Chooses the shuffles.

        Returns:
            Row numbers of each batch, int64, the rows of a query one after the other.
        """
        waiting = {
            size: queries[seeded_permutation(len(queries), f"queries of {size}", *key)]
            for size, queries in self._of_size.items()
        }
        order = seeded_permutation(self.count, "batches", *key)
        batches: list[np.ndarray] = []
        for chunk in np.array_split(order, -(-self.count // self._batches_per_chunk)):
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


def pack_sizes(sizes: np.ndarray, capacity: int) -> list[list[int]]:
    """Returns batches of sizes whose sums do not pass a capacity: best fit, the largest first.

    Args:
        sizes: Numbers of candidates, each 1 or more, int [queries].
        capacity: Most candidates of a batch; a larger size is a batch of its own.

    Returns:
        The sizes of each batch; together they are `sizes`.
    """
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
