"""Which rows the product trains on."""

from __future__ import annotations

import hashlib

import numpy as np


def product_rows(num_rows: int, limit: int | None) -> np.ndarray:
    """Returns the rows that the product's --max_train_examples picks, in order.

    They are those with the smallest numbers of a raw PCG64 stream keyed by "subset" and 0
    (mtdnn_tf/data/subset.py), written anew here so that the reference does not depend on the product.
    """
    if limit is None or limit >= num_rows:
        return np.arange(num_rows)
    key = int.from_bytes(hashlib.sha256(b"subset").digest()[:8], "big")
    stream = np.random.PCG64(np.random.SeedSequence([key, 0])).random_raw(num_rows)
    return np.sort(np.argsort(stream, kind="stable")[:limit])
