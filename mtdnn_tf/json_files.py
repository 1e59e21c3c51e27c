"""Strict JSON files, files that carry their checksum, and dataclasses as JSON values."""

from __future__ import annotations

import ast
import dataclasses
import hashlib
import json
import math
import re
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NoReturn, TypeVar

import numpy as np

from mtdnn_tf.errors import UserError, shortened, unknown_name
from mtdnn_tf.files import write_text

CHECKSUM = "_sha256"
# Metadata of a field that JSON leaves out at its default, as versions before the field did.
OMITTED = "omitted"
# Of integers and exponents: Python takes minutes for some millions of digits, and refuses from 4,301.
_MOST_DIGITS = 400
_Dataclass = TypeVar("_Dataclass")


def parse_json(text: str) -> Any:
    """Returns the value of a JSON text, more strictly than `json.loads`.

    Raises:
        ValueError: The text is not JSON, has a duplicate name in an object, NaN, Infinity, a number that no float64
            holds or half a surrogate pair, or is nested too deeply.
    """
    try:
        value = json.loads(
            text,
            parse_constant=_refuse_constant,
            parse_int=_integer,
            parse_float=_float,
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
    """Returns the object of these names and values, or raises ValueError for a duplicate name."""
    value: dict[str, Any] = {}
    for name, item in pairs:
        if name in value:
            raise ValueError(f"duplicate name {name[:60]!r}")
        value[name] = item
    return value


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number of JSON")


def _integer(digits: str) -> int:
    if len(digits) > _MOST_DIGITS:
        raise ValueError(f"a number of {len(digits)} digits")
    return int(digits)


def _float(digits: str) -> float:
    value = float(digits)
    if math.isinf(value):
        raise ValueError(f"{digits[:60]} is too large")
    return value


def read_json(path: Path, remedy: str = "") -> Any:
    """Reads a JSON file, as strictly as `parse_json`; `remedy` is what the user can do if it is damaged.

    Raises:
        UserError: The file is missing or is not JSON.
    """
    try:
        return parse_json(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UserError(f"{path}: no such file") from None
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror})") from None
    except ValueError as error:  # Not UTF-8, or not JSON.
        raise UserError(f"{path}: not JSON, or damaged ({error}); {remedy or 'delete and rebuild it'}") from None


def read_json_object(path: Path, remedy: str = "") -> dict[str, Any]:
    """Reads a JSON file that holds an object; see `read_json`."""
    value = read_json(path, remedy)
    if not isinstance(value, dict):
        raise UserError(f"{path}: must be a JSON object, got {str(value)[:60]}{remedy and f'; {remedy}'}")
    return value


def _dumped(value: Any) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def write_json(path: Path, value: Any) -> None:
    """Writes a JSON file that becomes visible under its name only when complete."""
    write_text(path, _dumped(value))


def fingerprint(value: Any) -> str:
    """Returns the hexadecimal SHA-256 of a JSON value, the same for any order of its keys."""
    return hashlib.sha256(json.dumps(value, sort_keys=True, ensure_ascii=False).encode()).hexdigest()


def write_checked_json(path: Path, value: Mapping[str, Any], checksum: str = CHECKSUM) -> None:
    """Writes a JSON object with the fingerprint of its other values under the name `checksum`."""
    write_json(path, {**value, checksum: fingerprint(dict(value))})


def read_checked_json(path: Path, remedy: str, checksum: str = CHECKSUM) -> dict[str, Any]:
    """Reads what `write_checked_json` wrote, without its checksum, or raises UserError with a remedy if it is damaged.

    Files of version 0.1 have no `_sha256` and are read as they are.
    """
    value = read_json_object(path, remedy)
    whole = _dumped(value)
    given = value.pop(checksum, None)
    last = next(reversed(list(value.values())), None)
    # A last value that looks like a checksum is one whose name is damaged.
    has_none = given is None and not (isinstance(last, str) and re.fullmatch("[0-9a-f]{64}", last))
    if has_none and checksum == CHECKSUM:
        return value
    if given != fingerprint(value) or path.read_bytes() != whole.encode():
        raise UserError(f"{path}: checksum does not match, the file is damaged; {remedy}")
    return value


def check_schema(given: Any, known: int, where: Path, remedy: str) -> None:
    """Raises UserError unless the schema number of a file or folder is the one that this version reads."""
    if type(given) is int and given > known:
        raise UserError(
            f"{where}: written by a newer version of mtdnn_tf (schema {given}, this version reads {known}); "
            f"update mtdnn_tf, or {remedy}"
        )
    if type(given) is not int or given != known:
        raise UserError(f"{where}: schema must be {known}, got {str(given)[:60]}; {remedy}")


def finite(value: float | None) -> float | None:
    """Returns a number, or None for nan and infinity too, which JSON lacks."""
    return value if value is not None and math.isfinite(value) else None


def to_json(value: Any) -> Any:
    """Returns a value as JSON: dataclasses and NamedTuples as objects, arrays as lists, nan and infinity as None."""
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
    """Returns a JSON value as the type of an annotation, an expression of `ast` that names classes of `known`."""
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
