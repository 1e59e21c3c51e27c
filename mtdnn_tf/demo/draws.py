"""Random draws for generated data, the same under every version of Python."""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from typing import TypeVar

T = TypeVar("T")


class Draws:
    """A stream of random draws, determined by a key.

    Uses only `random.Random.random`, whose values are the same in every Python version, and no function whose last
    digit depends on the machine.

    Args:
        *key: Numbers and names.
    """

    def __init__(self, *key: int | str) -> None:
        self._random = random.Random("/".join(map(str, key)))

    def chance(self, probability: float) -> bool:
        """Returns True with this probability."""
        return self._random.random() < probability

    def below(self, limit: int) -> int:
        """Returns an integer from 0 to `limit` - 1."""
        return int(self._random.random() * limit)

    def pick(self, items: Sequence[T]) -> T:
        """Returns one of the items."""
        return items[self.below(len(items))]

    def pick_other(self, items: Iterable[T], but: T) -> T:
        """Returns one of the items that differs from `but`."""
        return self.pick([item for item in items if item != but])

    def shuffled(self, items: Iterable[T]) -> list[T]:
        """Returns the items in random order."""
        keyed = [(self._random.random(), item) for item in items]
        return [item for _, item in sorted(keyed, key=lambda pair: pair[0])]

    def normal(self) -> float:
        """Returns an approximately normal number with mean 0 and variance 1: a sum of 12 uniform ones."""
        return sum(self._random.random() for _ in range(12)) - 6.0


def as_sentence(clause: str) -> str:
    """Returns a clause with a capital letter, and a full stop unless it is a question."""
    return f"{clause[0].upper()}{clause[1:]}{'' if clause.endswith('?') else '.'}"
