"""One example of a task, as a source yields it."""

from __future__ import annotations

import collections
import hashlib
from typing import Any, NamedTuple


class Example(NamedTuple):
    """One example of a task."""

    example_id: str  # Stable and unique within its split; soft targets and predictions join on it, not on position.
    text_a: str  # The sentence, or the premise of a pair.
    text_b: str | None = None  # The hypothesis of a pair.
    label: Any = None  # Gold label as the task's kind reads it (`Kind.read_label`), such as an index or a score.
    group: str | None = None  # The query of a ranking's candidate.


_SEPARATOR = "\x1f"


class HashedIds:
    """Gives each example of a split an id made from its texts, the same from any source.

    Later examples with the same texts get "-2", "-3" and so on in their order.
    """

    def __init__(self) -> None:
        self._occurrences: collections.Counter[str] = collections.Counter()

    def next_id(self, text_a: str, text_b: str | None) -> str:
        """Returns the id of the split's next example: 16 hexadecimal digits of its texts' SHA-256."""
        joined = text_a if text_b is None else text_a + _SEPARATOR + text_b
        digest = hashlib.sha256(joined.encode()).hexdigest()[:16]
        self._occurrences[digest] += 1
        occurrence = self._occurrences[digest]
        return digest if occurrence == 1 else f"{digest}-{occurrence}"
