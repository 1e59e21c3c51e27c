"""Results as plain JSON values."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from typing import Any

import numpy as np


def finite(value: float | None) -> float | None:
    """Returns a number, or None for nan and infinity too, which JSON lacks."""
    return value if value is not None and math.isfinite(value) else None


def to_json_value(value: Any) -> Any:
    """Returns a result as JSON has it, nan and infinity as None.

    Args:
        value: A dataclass, a NamedTuple, a mapping, a sequence, an array, a number, a string, a truth value or None; or
            any of them within another.

    Raises:
        TypeError: The value is of another type.
    """
    if value is None or isinstance(value, (bool, str, int)):
        return value
    if isinstance(value, float):
        return finite(value)
    if isinstance(value, (np.generic, np.ndarray)):
        return to_json_value(value.tolist())
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: to_json_value(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, tuple) and hasattr(value, "_asdict"):
        return to_json_value(value._asdict())
    if isinstance(value, Mapping):
        return {str(key): to_json_value(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [to_json_value(item) for item in value]
    raise TypeError(f"no JSON value: {type(value).__name__}")
