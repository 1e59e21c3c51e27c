"""Ids of a split's rows: as they come, or compared with those of all rows before."""

from __future__ import annotations

from collections.abc import Collection
from typing import Protocol

from mtdnn_tf.data.sources.example import HashedIds, text_hash
from mtdnn_tf.errors import UserError


class RowIds(Protocol):
    """How the ids of a split's rows are made and checked."""

    def hashed(self, text_a: str, text_b: str | None) -> str:
        """Returns the id of the next row, made from its texts."""

    def check(self, example_id: str, where: str) -> None:
        """Takes note of the id that the next row's column holds."""


class StreamedIds:
    """Compares no row with others: repeated hashes are not numbered, duplicate ids not refused."""

    def hashed(self, text_a: str, text_b: str | None) -> str:
        """Returns the hash of the texts."""
        return text_hash(text_a, text_b)

    def check(self, example_id: str, where: str) -> None:
        """Accepts any id."""


class UniqueIds:
    """Numbers repeated hashes and refuses duplicate ids; it keeps every id in memory.

    Args:
        compared: The ids that are compared. Defaults to all.
    """

    def __init__(self, compared: Collection[str] | None = None) -> None:
        self._compared = compared
        self._place_of_id: dict[str, str] = {}
        self._hashed_ids = HashedIds()

    def hashed(self, text_a: str, text_b: str | None) -> str:
        """Returns the hash of the texts, numbered if it is not the first."""
        return self._hashed_ids.next_id(text_a, text_b)

    def check(self, example_id: str, where: str) -> None:
        """Refuses an id that an earlier row has."""
        if self._compared is not None and example_id not in self._compared:
            return
        first = self._place_of_id.setdefault(example_id, where)
        if first is not where:
            raise UserError(f"{where}: duplicate id {example_id!r}, also at {first}; ids must be unique")
