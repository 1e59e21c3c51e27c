"""Tasks as JSON values, as a trained model carries them."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

from mtdnn_tf.errors import UserError, shortened, unknown_name
from mtdnn_tf.tasks.task import SplitFile, Task, TfdsData


def task_to_json(task: Task) -> dict[str, Any]:
    """Returns everything of a task as JSON values, from which `task_from_json` makes an equal task."""
    encoded = _to_json(task)
    assert isinstance(encoded, dict)
    return encoded


def _to_json(value: Any) -> Any:
    """Returns a task's field, or the task, as a JSON value."""
    if dataclasses.is_dataclass(value):
        return {field.name: _to_json(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {key: _to_json(item) for key, item in value.items()}
    if isinstance(value, tuple):
        return [_to_json(item) for item in value]
    return value


def task_from_json(value: Any) -> Task:
    """Returns the task that `task_to_json` was given.

    Raises:
        UserError: A field is unknown, missing or not of its type.
    """
    fields = _known_fields(value, Task, "a task")
    files = fields.get("files", {})
    if not isinstance(files, dict):
        raise UserError(f"a task's field 'files' takes an object, {files!r} given")
    fields["files"] = {
        split: SplitFile(**_known_fields(file, SplitFile, "a task's file")) for split, file in files.items()
    }
    if fields.get("tfds") is not None:
        fields["tfds"] = TfdsData(**_known_fields(fields["tfds"], TfdsData, "a task's TFDS data"))
    return Task(**fields)


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_whole(value: Any) -> bool:
    return type(value) is int


def _are_texts(value: Any) -> bool:
    return isinstance(value, list) and all(map(_is_text, value))


def _are_pairs(value: Any) -> bool:
    return isinstance(value, list) and all(_are_texts(pair) and len(pair) == 2 for pair in value)


# Annotations are strings here, those of the dataclasses; `files` and `tfds` are read by `task_from_json`.
_TYPES: dict[str, Callable[[Any], bool]] = {
    "str": _is_text,
    "str | None": lambda value: value is None or _is_text(value),
    "bool": lambda value: isinstance(value, bool),
    "float": lambda value: isinstance(value, float) or _is_whole(value),
    "tuple[str, ...]": _are_texts,
    "tuple[str, ...] | None": lambda value: value is None or _are_texts(value),
    "tuple[tuple[str, str], ...]": _are_pairs,
    "Mapping[str, str]": lambda value: isinstance(value, dict) and all(map(_is_text, value.values())),
    "Mapping[str, int]": lambda value: isinstance(value, dict) and all(map(_is_whole, value.values())),
    "Mapping[str, SplitFile]": lambda value: isinstance(value, dict),
    "TfdsData | None": lambda value: value is None or isinstance(value, dict),
}


def _known_fields(value: Any, made: type, what: str) -> dict[str, Any]:
    """Returns a dataclass's arguments from a JSON object, arrays as tuples."""
    if not isinstance(value, dict):
        raise UserError(f"{what} takes a JSON object, {shortened(repr(value))} given")
    fields = {field.name: field for field in dataclasses.fields(made)}
    for name, item in value.items():
        if name not in fields:
            raise unknown_name(f"field of {what}", name, fields)
        if not _TYPES[str(fields[name].type)](item):
            raise UserError(f"{what}'s field {name!r} takes {fields[name].type}, {shortened(repr(item))} given")
    for name, field in fields.items():
        has_default = field.default is not dataclasses.MISSING or field.default_factory is not dataclasses.MISSING
        if name not in value and not has_default:
            raise UserError(f"{what} has no field {name!r}")
    return {name: _tuples(item) for name, item in value.items()}


def _tuples(value: Any) -> Any:
    """Returns a JSON value with tuples for its arrays."""
    return tuple(_tuples(item) for item in value) if isinstance(value, list) else value
