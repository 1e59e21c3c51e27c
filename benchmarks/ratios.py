"""Medians of repeated measurements, their spread, and whether a target is met."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from typing import Any


def spread(
    what: str, values: Sequence[float], at_least: float | None = None, at_most: float | None = None
) -> dict[str, Any]:
    """Returns the median, least and largest of some values, and whether the median meets its target.

    Args:
        what: What was measured.
        values: One value a repeat.
        at_least: Least value that meets the target; None for no such target.
        at_most: Largest value that meets the target; None for no such target.
    """
    row: dict[str, Any] = {
        "what": what,
        "median": statistics.median(values),
        "low": min(values),
        "high": max(values),
        "repeats": len(values),
    }
    if at_least is not None:
        row["target"] = f"at least {at_least:g}"
        row["met"] = row["median"] >= at_least
    if at_most is not None:
        row["target"] = f"at most {at_most:g}"
        row["met"] = row["median"] <= at_most
    return row


def ratio_of(
    what: str,
    ours: Sequence[float],
    theirs: Sequence[float],
    at_least: float | None = None,
    at_most: float | None = None,
) -> dict[str, Any]:
    """Returns the spread of the ratio of two sides that were measured in turn, round by round."""
    return spread(what, [one / other for one, other in zip(ours, theirs)], at_least, at_most)
