"""A fingerprint of rows that is a sum over them, so that parts can be added in any order."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Sequence

_MODULUS = 1 << 256


class RowSum:
    """The sum modulo 2^256 of the SHA-256 of each row.

    It is a check against mistakes: whoever is free to choose rows can find others with the same sum.

    Args:
        hexdigest: The sum of rows that were added before, as `hexdigest` returns it; by default that of no rows.

    Raises:
        ValueError: The text is no such sum.
    """

    def __init__(self, hexdigest: str = "0" * 64) -> None:
        if not re.fullmatch("[0-9a-f]{64}", hexdigest):
            raise ValueError(f"must be 64 hexadecimal digits, got {hexdigest[:80]!r}")
        self._value = int(hexdigest, 16)

    def add(self, rows: Iterable[str]) -> None:
        """Adds rows: id, texts and query of each as a JSON array, as `RowDigest.blocks` yields them."""
        total = sum(int.from_bytes(hashlib.sha256(row.encode()).digest(), "big") for row in rows)
        self._value = (self._value + total) % _MODULUS

    def add_sum(self, hexdigest: str) -> None:
        """Adds the rows of another sum."""
        self._value = (self._value + RowSum(hexdigest)._value) % _MODULUS

    def hexdigest(self) -> str:
        """Returns the sum as 64 hexadecimal digits."""
        return f"{self._value:064x}"


def json_row(cells: Sequence[str | None]) -> str:
    """Returns id, texts and, of a ranking, query of a row as `RowDigest.blocks` yields them."""
    return json.dumps(list(cells))
