"""Folds: parts of the training data, one of which a run leaves out, so that it can be asked about rows it never saw."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

from mtdnn_tf.errors import UserError
from mtdnn_tf.options import Options, option


class Fold(NamedTuple):
    """One of `folds` folds of the training data: number `held_out`, from 0."""

    folds: int
    held_out: int

    def contains(self, example_ids: Sequence[str], queries: np.ndarray | None = None) -> np.ndarray:
        """Returns whether each row of a whole split is in the fold, bool [rows]; arguments as of `part_numbers`."""
        return part_numbers(example_ids, self.folds, "fold", queries) == self.held_out


@dataclasses.dataclass(frozen=True)
class FoldOptions(Options):
    """The fold that a run is trained without."""

    folds: int | None = option(
        None,
        "Number of folds that the training split is divided into by example id; the run leaves out `--held_out_fold`.",
        at_least=2,
    )
    held_out_fold: int | None = option(
        None, "The fold, from 0, that the run is not trained on; mtdnn score lets it score no other.", at_least=0
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if (self.folds is None) != (self.held_out_fold is None):
            given = "folds" if self.held_out_fold is None else "held_out_fold"
            raise UserError(f"`folds` and `held_out_fold` must be given together, got only `{given}`")
        if self.folds is not None and self.held_out_fold not in range(self.folds):
            raise UserError(f"`held_out_fold` must be an integer from 0 to {self.folds - 1}, got {self.held_out_fold}")

    @property
    def fold(self) -> Fold | None:
        """The fold; None for all rows."""
        return None if self.folds is None or self.held_out_fold is None else Fold(self.folds, self.held_out_fold)


def part_numbers(example_ids: Sequence[str], parts: int, key: str, queries: np.ndarray | None = None) -> np.ndarray:
    """Returns which part of a split each row is in: SHA-256 of "<key> <example id>", modulo the number of parts.

    A row is in the same part for every source, order, vocabulary and run; another key divides the rows independently.
    Candidates of a query, numbered in `queries` int [rows], are in the part of the smallest of their ids.
    """
    deciding: Iterable[str] = example_ids
    if queries is not None:
        smallest: dict[int, str] = {}
        for example_id, query in zip(example_ids, queries):
            smallest[query] = min(example_id, smallest.get(query, example_id))
        deciding = (smallest[query] for query in queries)
    digests = (hashlib.sha256(f"{key} {example_id}".encode()).digest() for example_id in deciding)
    numbers = (int.from_bytes(digest, "big") % parts for digest in digests)
    return np.fromiter(numbers, np.int64, len(example_ids))
