"""One example of a task, as a source yields it."""

from __future__ import annotations

from typing import NamedTuple


class Example(NamedTuple):
    """One example of a task.

    Attributes:
        example_id: Stable and unique within its split; soft targets and predictions join on it, never on position.
        text_a: The sentence, or the premise of a pair.
        text_b: The hypothesis of a pair; None for a single sentence.
        label: Index into the task's `labels`, 1 for a relevant candidate of a ranking; None if there is no gold label,
            or the task is a regression.
        score: Gold score of a regression; None if there is none.
        group: What tells the query of a ranking's candidate; None for other kinds.
    """

    example_id: str
    text_a: str
    text_b: str | None = None
    label: int | None = None
    score: float | None = None
    group: str | None = None
