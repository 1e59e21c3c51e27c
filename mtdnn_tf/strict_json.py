"""JSON as its standard has it: what Python's reader accepts beyond it, or reads in two ways, is refused."""

from __future__ import annotations

import json
import math
from typing import Any, NoReturn

# Of whole numbers and exponents; Python itself takes minutes for some millions of digits, and refuses from 4,301.
_MOST_DIGITS = 400


def parse_json(text: str) -> Any:
    """Returns the value of a JSON text.

    Raises:
        ValueError: The text is not JSON, gives a name twice in an object, holds NaN, Infinity, a number that no float64
            holds or half a surrogate pair, or is nested too deeply.
    """
    try:
        value = json.loads(
            text,
            parse_constant=_refuse_constant,
            parse_int=_whole_number,
            parse_float=_number,
            object_pairs_hook=object_without_repetition,
        )
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    if "\\u" in text:
        try:
            json.dumps(value, ensure_ascii=False).encode()
        except UnicodeEncodeError:
            raise ValueError("a text holds half a surrogate pair, which is no character") from None
    return value


def object_without_repetition(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Returns the object of these names and values.

    Raises:
        ValueError: A name is given twice.
    """
    value = dict(pairs)
    if len(value) < len(pairs):
        names: set[str] = set()
        repeated = next(name for name, _ in pairs if name in names or names.add(name))  # type: ignore[func-returns-value]
        raise ValueError(f"{repeated[:60]!r} is given twice")
    return value


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number of JSON")


def _whole_number(digits: str) -> int:
    if len(digits) > _MOST_DIGITS:
        raise ValueError(f"a number of {len(digits)} digits")
    return int(digits)


def _number(digits: str) -> float:
    value = float(digits)
    if math.isinf(value):
        raise ValueError(f"{digits[:60]} is too large")
    return value
