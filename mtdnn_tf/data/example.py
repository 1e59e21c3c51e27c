"""One example of a task, as a source yields it."""

from __future__ import annotations

from typing import Any, NamedTuple


class Example(NamedTuple):
    """One example of a task.

    Attributes:
        example_id: Stable and unique within its split; soft targets and predictions join on it, never on position.
        text_a: The sentence, or the premise of a pair.
        text_b: The hypothesis of a pair; None for a single sentence.
        label: Gold label as the task's kind reads it (`Kind.read_label`), such as an index into the task's `labels` or
            a score; None if there is none.
        group: What tells the query of a ranking's candidate; None for other kinds.
    """

    example_id: str
    text_a: str
    text_b: str | None = None
    label: Any = None
    group: str | None = None
