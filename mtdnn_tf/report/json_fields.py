"""Dataclasses from JSON, with one line for what does not fit."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping
from typing import Any

from mtdnn_tf.errors import UserError, unknown_name


def from_json_value(value: Any, annotation: str, classes: Mapping[str, type], where: str) -> Any:
    """Returns the value of a JSON value, checked against its type.

    Args:
        value: What `json.loads` returns.
        annotation: "str", "bool", "int", "float", the name of a dataclass, or "Sequence[T]", "Mapping[str, T]" and
            "T | None" of these, as fields are annotated.
        classes: Dataclasses by name.
        where: Where the value stands, such as "report.json: models[0]", for errors.

    Raises:
        UserError: The value is of another type, or lacks a field, or has one that is not known.
    """
    if annotation.endswith(" | None"):
        return None if value is None else from_json_value(value, annotation[: -len(" | None")], classes, where)
    if annotation.startswith("Sequence["):
        _check(isinstance(value, list), where, "a list", value)
        inner = annotation[len("Sequence[") : -1]
        return tuple(from_json_value(item, inner, classes, f"{where}[{i}]") for i, item in enumerate(value))
    if annotation.startswith("Mapping[str, "):
        _check(isinstance(value, dict), where, "an object", value)
        inner = annotation[len("Mapping[str, ") : -1]
        return {key: from_json_value(item, inner, classes, f"{where}.{key}") for key, item in value.items()}
    if annotation in classes:
        return _dataclass(value, classes[annotation], classes, where)
    accepts, what, convert = _SCALARS[annotation]
    _check(accepts(value), where, what, value)
    return convert(value)


def _dataclass(value: Any, of: type, classes: Mapping[str, type], where: str) -> Any:
    _check(isinstance(value, dict), where, "an object", value)
    fields = {field.name: field for field in dataclasses.fields(of)}
    for name in value:
        if name not in fields:
            raise unknown_name("field", name, fields, where)
    arguments = {}
    for name, field in fields.items():
        if name in value:
            arguments[name] = from_json_value(value[name], str(field.type), classes, f"{where}.{name}")
        elif field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING:
            raise UserError(f"{where}: field {name!r} is missing")
    return of(**arguments)


def _check(fits: bool, where: str, what: str, value: Any) -> None:
    if not fits:
        given = repr(value)
        raise UserError(f"{where}: {what} is needed, {given if len(given) < 60 else given[:57] + '...'} given")


def _is_int(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


_SCALARS: dict[str, tuple[Callable[[Any], bool], str, Callable[[Any], Any]]] = {
    "str": (lambda value: isinstance(value, str), "a string", str),
    "bool": (lambda value: isinstance(value, bool), "true or false", bool),
    "int": (_is_int, "a whole number", int),
    "float": (
        lambda value: _is_int(value) or (isinstance(value, float) and math.isfinite(value)),
        "a finite number",
        lambda value: value,  # 1 stays 1, so that what is read is written as it was.
    ),
}
