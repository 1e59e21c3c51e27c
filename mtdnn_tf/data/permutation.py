"""Permutations that depend on nothing but their key."""

from __future__ import annotations

import hashlib

import numpy as np


def seeded_permutation(num_rows: int, *key: int | str) -> np.ndarray:
    """Returns the permutation of `num_rows` rows that belongs to a key.

    It sorts by the raw stream of PCG64, which NumPy keeps the same in every version, as it does not promise
    of `Generator.permutation`: a run may be resumed under another NumPy.

    Args:
        num_rows: Number of rows.
        *key: Whole numbers of 0 or more, and names.

    Returns:
        int64 [num_rows].
    """
    words = [
        part if isinstance(part, int) else int.from_bytes(hashlib.sha256(part.encode()).digest()[:8], "big")
        for part in key
    ]
    stream = np.random.PCG64(np.random.SeedSequence(words)).random_raw(num_rows)
    return np.argsort(stream, kind="stable")
