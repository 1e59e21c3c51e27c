"""A seeded part of a split."""

from __future__ import annotations

import dataclasses

import numpy as np

from mtdnn_tf.data.batching.permutation import seeded_permutation
from mtdnn_tf.options import Options, option


@dataclasses.dataclass(frozen=True)
class Part(Options):
    """Which rows of a training split are taken."""

    max_examples: int | None = option(
        None, "Maximum number of training examples per task.", name="max_train_examples", unset="all", at_least=1
    )
    fraction: float | None = option(
        None, "Fraction of the training examples of each task.", name="train_fraction", unset="all", above=0, at_most=1
    )
    seed: int = option(
        0,
        "Seed that chooses the examples of `--max_train_examples` and `--train_fraction`; larger ones contain smaller.",
        name="subset_seed",
        at_least=0,
        at_most=2**32 - 1,
    )

    def rows(self, num_rows: int, queries: np.ndarray | None = None) -> np.ndarray:
        """Returns the rows of a split that are taken, sorted, int64; of a ranking whole queries, one at least."""
        limits = [num_rows] if self.max_examples is None else [num_rows, self.max_examples]
        if self.fraction is not None:
            limits.append(max(1, round(self.fraction * num_rows)))
        limit = min(limits)
        if limit == num_rows:
            return np.arange(num_rows)
        # A smaller part is contained in every larger one of the same seed: learning curves compare like with like.
        if queries is None:
            return np.sort(seeded_permutation(num_rows, "subset", self.seed)[:limit])
        sizes = np.bincount(queries)
        order = seeded_permutation(len(sizes), "subset", self.seed)
        taken = max(1, int(np.searchsorted(np.cumsum(sizes[order]), limit, side="right")))
        return np.flatnonzero(np.isin(queries, order[:taken]))
