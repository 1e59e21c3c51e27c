"""A seeded part of a split."""

from __future__ import annotations

import dataclasses

import numpy as np

from mtdnn_tf.data.batching.permutation import seeded_permutation
from mtdnn_tf.errors import UserError
from mtdnn_tf.options import Options, option


@dataclasses.dataclass(frozen=True)
class Part(Options):
    """Which rows of a training split are taken."""

    max_examples: int | None = option(
        None, "Maximum number of training examples per task.", name="max_train_examples", unset="all", at_least=1
    )
    fraction: float | None = option(
        None,
        "Fraction of the training examples of each task.",
        name="train_fraction",
        unset="all",
        above=0,
        at_most=1,
    )
    seed: int = option(
        0,
        "Seed that chooses the examples of `--max_train_examples` and `--train_fraction`; larger ones contain smaller.",
        name="subset_seed",
        at_least=0,
        at_most=2**32 - 1,
    )

    def rows(self, num_rows: int, queries: np.ndarray | None = None) -> np.ndarray:
        """Returns the rows of a split that are taken, sorted, int64.

        Args:
            num_rows: Number of rows of the split.
            queries: Of a ranking, the number of each row's query; whole queries are taken.
        """
        limit = subset_limit(num_rows, self.max_examples, self.fraction)
        if queries is not None:
            return subset_queries(queries, limit, self.seed)
        return subset_rows(num_rows, limit, self.seed)


def subset_rows(num_rows: int, limit: int | None, seed: int = 0) -> np.ndarray:
    """Returns the rows of a part of a split, chosen at random by the seed.

    A smaller part is contained in every larger one of the same seed: learning curves compare like with like.

    Args:
        num_rows: Number of rows of the split.
        limit: Number of rows of the part, 1 or more; None, or more than there are, for all rows.
        seed: Chooses the part.

    Returns:
        Sorted row numbers, int64 [min(num_rows, limit)].

    Raises:
        UserError: The limit is below 1.
    """
    if limit is None or limit >= num_rows:
        return np.arange(num_rows)
    if limit < 1:
        raise UserError(f"the number of rows to take is 1 or more, or left out for all; {limit} given")
    return np.sort(seeded_permutation(num_rows, "subset", seed)[:limit])


def subset_queries(queries: np.ndarray, limit: int | None, seed: int = 0) -> np.ndarray:
    """Returns the rows of whole queries, chosen at random by the seed, that together are a part of a split.

    A smaller part is contained in every larger one of the same seed.

    Args:
        queries: Number of each row's query, from 0, int [rows].
        limit: Most rows of the part, 1 or more; one query is taken even if it has more. None for all rows.
        seed: Chooses the part.

    Returns:
        Sorted row numbers, int64.
    """
    if limit is None or limit >= len(queries):
        return np.arange(len(queries))
    sizes = np.bincount(queries)
    order = seeded_permutation(len(sizes), "subset", seed)
    taken = max(1, int(np.searchsorted(np.cumsum(sizes[order]), limit, side="right")))
    return np.flatnonzero(np.isin(queries, order[:taken]))


def subset_limit(num_rows: int, max_examples: int | None, fraction: float | None) -> int | None:
    """Returns how many rows a part of a split has.

    Args:
        num_rows: Number of rows of the split.
        max_examples: Most rows, 1 or more; None for no limit.
        fraction: Share of the split's rows, above 0 and up to 1; None for all. Rounded to whole rows, one at least.

    Returns:
        The smaller of both; None if neither is given.
    """
    limits = [] if max_examples is None else [max_examples]
    if fraction is not None:
        limits.append(max(1, round(fraction * num_rows)))
    return min(limits, default=None)
