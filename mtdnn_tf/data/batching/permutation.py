"""Permutations and random numbers that depend on nothing but their key."""

from __future__ import annotations

import hashlib

import numpy as np


def seeded_permutation(num_rows: int, *key: int | str) -> np.ndarray:
    """Returns the permutation of `num_rows` rows that belongs to a key of names and integers >= 0, int64 [num_rows].

    It sorts by the raw stream of PCG64, which is the same in every version of NumPy, unlike `Generator.permutation`:
    a run may be resumed under another NumPy.
    """
    return np.argsort(_stream(num_rows, key), kind="stable")


def seeded_uniform(*key: int | str) -> float:
    """Returns the number from 0 to below 1 that belongs to a key, of the same stream as the permutations."""
    # 53 bits are what a float holds.
    return float(_stream(1, key)[0] >> np.uint64(11)) / 2.0**53


def _stream(count: int, key: tuple[int | str, ...]) -> np.ndarray:
    words = [
        part if isinstance(part, int) else int.from_bytes(hashlib.sha256(part.encode()).digest()[:8], "big")
        for part in key
    ]
    return np.asarray(np.random.PCG64(np.random.SeedSequence(words)).random_raw(count))
