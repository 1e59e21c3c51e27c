"""Where texts are in a sequence that is no list in memory."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

_TEXTS_AT_ONCE = 1 << 16


class TextPlaces:
    """Finds texts by their hashes, in 12 bytes per text: a dictionary would take more than 100.

    Args:
        texts: The texts, such as `TextLines`. They are compared themselves, too: two texts may have one hash.
    """

    def __init__(self, texts: Sequence[str]) -> None:
        self._texts = texts
        hashes = np.fromiter(map(hash, texts), np.int64, len(texts))
        order = np.argsort(hashes, kind="stable")
        self._hashes = hashes[order]
        self._order = order.astype(np.min_scalar_type(max(len(texts), 1 << 31)))

    def duplicate(self) -> tuple[int, int] | None:
        """Returns the places of two texts that are the same, the lower one first; None if there are none."""
        is_same = self._hashes[1:] == self._hashes[:-1]
        seen: dict[str, int] = {}
        for index in np.flatnonzero(np.append(is_same, False) | np.append(False, is_same)):
            place = int(self._order[index])
            first = seen.setdefault(self._texts[place], place)
            if first != place:
                return min(first, place), max(first, place)
        return None

    def of(self, wanted: Sequence[str]) -> np.ndarray:
        """Returns the place of each of these texts, -1 where it is not one of the texts, int64 [wanted]."""
        places = np.full(len(wanted), -1, np.int64)
        for start in range(0, len(wanted) if len(self._hashes) else 0, _TEXTS_AT_ONCE):
            block = wanted[start : start + _TEXTS_AT_ONCE]
            hashes = np.fromiter(map(hash, block), np.int64, len(block))
            first = np.minimum(np.searchsorted(self._hashes, hashes), len(self._hashes) - 1)
            found = np.flatnonzero(self._hashes[first] == hashes)
            # In the order in which the texts are on disk.
            for number in found[np.argsort(self._order[first[found]])].tolist():
                places[start + number] = self._place(block[number], int(first[number]))
        return places

    def _place(self, text: str, at: int) -> int:
        """Returns the place of a text among those of its hash, of which the first is at an index; -1 for none."""
        for index in range(at, len(self._hashes)):
            if self._hashes[index] != self._hashes[at]:
                break
            place = int(self._order[index])
            if self._texts[place] == text:
                return place
        return -1
