"""What a model folder's model.json tells: shape of the encoder, casing, length and tasks."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from mtdnn_tf.errors import UserError, unknown_name
from mtdnn_tf.files import check_schema, read_json_object
from mtdnn_tf.modeling.backbone import BackboneConfig
from mtdnn_tf.modeling.bert_config import check_size
from mtdnn_tf.tasks.portable import portable_task
from mtdnn_tf.tasks.serialization import task_from_json, task_to_json
from mtdnn_tf.tasks.task import Task

_SCHEMA = 1
_FIELDS = ("backbone", "lowercase", "max_sequence_length", "tasks")


class ModelDescription(NamedTuple):
    """What a model folder tells beside vocabulary and weights.

    Attributes:
        config: The shape of the encoder.
        lowercase: Whether texts are lower-cased and stripped of accents.
        max_sequence_length: Longest sequence it was trained on, in word pieces.
        tasks: Its tasks, those answered by another task's head included.
    """

    config: BackboneConfig
    lowercase: bool
    max_sequence_length: int
    tasks: Sequence[Task]

    def to_json(self) -> dict[str, Any]:
        """Returns it as JSON values, without the place of any file on this machine."""
        return {
            "schema": _SCHEMA,
            "backbone": self.config.to_json(),
            "lowercase": self.lowercase,
            "max_sequence_length": self.max_sequence_length,
            "tasks": [task_to_json(portable_task(task)) for task in self.tasks],
        }


def read_description(path: Path, remedy: str) -> ModelDescription:
    """Reads a model.json.

    Args:
        path: The file.
        remedy: What the user can do if it is not accepted.

    Raises:
        UserError: The file is of another version, or a field is missing or not of its type.
    """
    values = read_json_object(path)
    check_schema(values.get("schema"), _SCHEMA, path, remedy)
    for name in _FIELDS:
        if name not in values:
            raise UserError(f"{path}: field {name} is missing; {remedy}")
    lowercase, length, tasks = values["lowercase"], values["max_sequence_length"], values["tasks"]
    if not isinstance(lowercase, bool):
        raise UserError(f"{path}: lowercase takes true or false, {str(lowercase)[:60]} given")
    if not isinstance(tasks, list) or not tasks:
        raise UserError(f"{path}: tasks takes a list of one or more, {str(tasks)[:60]} given")
    config = _config(values["backbone"], path)
    if type(length) is not int or not 3 <= length <= config.max_positions:
        raise UserError(
            f"{path}: max_sequence_length takes a whole number from 3 to the encoder's {config.max_positions}, "
            f"{str(length)[:60]} given"
        )
    try:
        read = [task_from_json(task) for task in tasks]
    except UserError as error:
        raise UserError(f"{path}: {error}") from None
    if len({task.name for task in read}) < len(read):
        raise UserError(f"{path}: two tasks have the same name")
    return ModelDescription(config, lowercase, length, read)


def _config(value: Any, path: Path) -> BackboneConfig:
    if not isinstance(value, dict):
        raise UserError(f"{path}: backbone takes an object, {str(value)[:60]} given")
    fields = {field.name: field for field in dataclasses.fields(BackboneConfig)}
    for name, given in value.items():
        if name not in fields:
            raise unknown_name("field of backbone", name, fields, str(path))
        if name not in ("activation", "pooling"):  # BackboneConfig checks them.
            check_size(f"field {name}", given, name == "num_layers", path)
    for name, field in fields.items():
        if name not in value and field.default is dataclasses.MISSING:
            raise UserError(f"{path}: field {name} of backbone is missing")
    try:
        return BackboneConfig(**value)
    except UserError as error:
        raise UserError(f"{path}: {error}") from None
