"""Labels by name or number."""

from __future__ import annotations

from collections.abc import Sequence


def label_index(text: str, names: Sequence[str]) -> int | None:
    """Returns the index of a label by its name or, unless a label's name is a number, by its number from 0."""
    if text in names:
        return names.index(text)
    numbers = [] if any(name.isdecimal() for name in names) else [str(number) for number in range(len(names))]
    return numbers.index(text) if text in numbers else None
