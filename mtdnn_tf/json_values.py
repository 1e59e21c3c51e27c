"""Dataclasses as JSON values, and back with one line for what does not fit."""

from __future__ import annotations

import ast
import dataclasses
import math
import sys
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import numpy as np

from mtdnn_tf.errors import UserError, shortened, unknown_name

_Dataclass = TypeVar("_Dataclass")
# Metadata of a field that JSON leaves out at its default, as versions before the field did.
OMITTED = "omitted"


def finite(value: float | None) -> float | None:
    """Returns a number, or None for nan and infinity too, which JSON lacks."""
    return value if value is not None and math.isfinite(value) else None


def to_json(value: Any) -> Any:
    """Returns a value as JSON has it: records as objects, sequences as lists, nan and infinity as None.

    Args:
        value: A dataclass, a NamedTuple, a mapping, a sequence, an array, a number, a string, a bool or None; nested.

    Raises:
        TypeError: The value is of another type.
    """
    if value is None or isinstance(value, (bool, str, int)):
        return value
    if isinstance(value, float):
        return finite(value)
    if isinstance(value, (np.generic, np.ndarray)):
        return to_json(value.tolist())
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {
            field.name: to_json(getattr(value, field.name))
            for field in dataclasses.fields(value)
            if not (field.metadata.get(OMITTED) and getattr(value, field.name) == field.default)
        }
    if isinstance(value, tuple) and hasattr(value, "_asdict"):
        return to_json(value._asdict())
    if isinstance(value, Mapping):
        return {str(key): to_json(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [to_json(item) for item in value]
    raise TypeError(f"no JSON value: {type(value).__name__}")


def from_json(value: Any, made: type[_Dataclass], where: str) -> _Dataclass:
    """Returns the dataclass that `to_json` made a JSON value of.

    Fields are annotated as str, bool, int, float, another dataclass of the same module, or `Sequence[T]`,
    `tuple[T, ...]`, `tuple[T, T]`, `Mapping[str, T]`, and `T | None` and `T | str` of these.

    Args:
        value: What `json.loads` returns.
        made: The dataclass.
        where: Where the value stands, such as "report.json", for errors.

    Raises:
        UserError: A field is unknown, missing or not of its type, or the dataclass refuses its values.
    """
    _check(isinstance(value, dict), where, "an object", value)
    fields = {field.name: field for field in dataclasses.fields(made)}  # type: ignore[arg-type]
    for name in value:
        if name not in fields:
            raise unknown_name("field", name, fields, where)
    known = vars(sys.modules[made.__module__])
    arguments = {}
    for name, field in fields.items():
        if name in value:
            # Python 3.9 cannot evaluate "T | None".
            annotation = ast.parse(str(field.type), mode="eval").body
            arguments[name] = _read(value[name], annotation, known, f"{where}.{name}")
        elif field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING:
            raise UserError(f"{where}: field {name!r} is missing")
    try:
        return made(**arguments)
    except UserError as error:
        raise UserError(f"{where}: {error}") from None


def _read(value: Any, annotation: Any, known: Mapping[str, Any], where: str) -> Any:
    """Returns a value of an annotated type.

    Args:
        value: A JSON value.
        annotation: An expression of `ast`.
        known: Dataclasses by name, among others.
        where: Where the value stands.
    """
    if isinstance(annotation, ast.BinOp):
        is_other = value is None or (isinstance(annotation.right, ast.Name) and isinstance(value, str))
        return value if is_other else _read(value, annotation.left, known, where)
    if isinstance(annotation, ast.Name):
        if annotation.id not in _SCALARS:
            return from_json(value, known[annotation.id], where)
        accepts, what = _SCALARS[annotation.id]
        _check(accepts(value), where, what, value)
        return value  # 1 stays 1 as a float, so that what is read is written as it was.
    inner = annotation.slice.elts if isinstance(annotation.slice, ast.Tuple) else [annotation.slice]
    if annotation.value.id == "Mapping":
        _check(isinstance(value, dict), where, "an object", value)
        return {key: _read(item, inner[1], known, f"{where}.{key}") for key, item in value.items()}
    _check(isinstance(value, list), where, "a list", value)
    if len(inner) == 1 or isinstance(inner[1], ast.Constant):  # Sequence[T] or tuple[T, ...]
        inner = inner[:1] * len(value)
    _check(len(value) == len(inner), where, f"a list of {len(inner)}", value)
    return tuple(_read(item, of, known, f"{where}[{i}]") for i, (item, of) in enumerate(zip(value, inner)))


def _check(fits: bool, where: str, what: str, value: Any) -> None:
    if not fits:
        raise UserError(f"{where} must be {what}, got {shortened(repr(value), 60)}")


def _is_int(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


_SCALARS: dict[str, tuple[Callable[[Any], bool], str]] = {
    "str": (lambda value: isinstance(value, str), "a string"),
    "bool": (lambda value: isinstance(value, bool), "true or false"),
    "int": (_is_int, "an integer"),
    "float": (lambda value: _is_int(value) or (isinstance(value, float) and math.isfinite(value)), "a finite number"),
}
