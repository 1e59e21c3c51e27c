"""One example of a task, as a source yields it."""

from __future__ import annotations

import collections
import contextlib
import hashlib
import itertools
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from mtdnn_tf.errors import UserError, shortened


class Example(NamedTuple):
    """One example of a task."""

    example_id: str  # Stable and unique within its split; soft targets and predictions join on it, not on position.
    text_a: str  # The sentence, or the premise of a pair.
    text_b: str | None = None  # The hypothesis of a pair.
    label: Any = None  # Gold label as the task's kind reads it (`Kind.read_label`), such as an index or a score.
    group: str | None = None  # The query of a ranking's candidate.
    weight: float = 1.0  # Factor of its loss.


_ROWS_PER_BATCH = 1024
_SEPARATOR = "\x1f"
HASH_LENGTH = 16
# Products with losses and gradients stay finite.
_LARGEST_WEIGHT = 1e6


def example_batches(examples: Iterable[Example]) -> Iterator[list[Example]]:
    """Yields as many examples at once as are worth a call of TensorFlow."""
    rows = iter(examples)
    return iter(lambda: list(itertools.islice(rows, _ROWS_PER_BATCH)), [])


def read_weight(cell: Any, column: str, where: str) -> float:
    """Returns the factor of a row's loss that a cell gives; refuses what is no number from 0 to a million."""
    with contextlib.suppress(TypeError, ValueError):
        if 0.0 <= float(cell) <= _LARGEST_WEIGHT:
            return float(cell)
    given = repr(shortened("" if cell is None else str(cell)))
    raise UserError(f"{where}: column {column!r} must be a number from 0 to {_LARGEST_WEIGHT:g}, got {given}")


def text_hash(text_a: str, text_b: str | None) -> str:
    """Returns the first 16 hexadecimal digits of the SHA-256 of an example's texts."""
    joined = text_a if text_b is None else text_a + _SEPARATOR + text_b
    return hashlib.sha256(joined.encode()).hexdigest()[:HASH_LENGTH]


def numbered_hash(digest: str, occurrence: int) -> str:
    """Returns the id of the n-th example, from 1, of a split whose texts have a hash."""
    return digest if occurrence == 1 else f"{digest}-{occurrence}"


class HashedIds:
    """Gives each example of a split an id made from its texts, the same from any source.

    Later examples with the same texts get "-2", "-3" and so on in their order.
    """

    def __init__(self) -> None:
        self._occurrences: collections.Counter[str] = collections.Counter()

    def next_id(self, text_a: str, text_b: str | None) -> str:
        """Returns the id of the split's next example."""
        digest = text_hash(text_a, text_b)
        self._occurrences[digest] += 1
        return numbered_hash(digest, self._occurrences[digest])
