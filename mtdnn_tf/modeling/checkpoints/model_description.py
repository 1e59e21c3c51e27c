"""What a model folder's model.json describes: shape of the encoder, casing, length and tasks."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mtdnn_tf.errors import UserError
from mtdnn_tf.json_files import check_schema, from_json, read_json_object, to_json
from mtdnn_tf.modeling.backbone import BackboneConfig
from mtdnn_tf.modeling.checkpoints.bert_config import check_size
from mtdnn_tf.tasks.task import Task

_SCHEMA = 1


@dataclasses.dataclass(frozen=True)
class ModelDescription:
    """What a model folder holds beside vocabulary and weights.

    Attributes:
        backbone: The shape of the encoder.
        lowercase: Whether texts are lowercased and stripped of accents.
        max_sequence_length: Longest sequence it was trained on, in word pieces.
        tasks: Its tasks, including those answered by another task's head.
        schema: Version of the layout.
    """

    backbone: BackboneConfig
    lowercase: bool
    max_sequence_length: int
    tasks: Sequence[Task]
    schema: int = _SCHEMA

    def __post_init__(self) -> None:
        if not self.tasks:
            raise UserError("tasks must be a list of one or more, got []")
        if len({task.name for task in self.tasks}) < len(self.tasks):
            raise UserError("two tasks have the same name")
        if not 3 <= self.max_sequence_length <= self.backbone.max_positions:
            raise UserError(
                f"max_sequence_length must be an integer from 3 to the encoder's {self.backbone.max_positions}, "
                f"got {self.max_sequence_length}"
            )

    def to_json(self) -> dict[str, Any]:
        """Returns it as JSON values, without any path of this machine."""
        tasks = [to_json(task.portable()) for task in self.tasks]
        return {"schema": self.schema, **to_json(self), "backbone": self.backbone.to_json(), "tasks": tasks}


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
    if isinstance(values.get("backbone"), dict):
        for name, given in values["backbone"].items():
            if name not in ("activation", "pooling"):  # BackboneConfig checks them.
                check_size(f"field {name}", given, name == "num_layers", path)
    return from_json(values, ModelDescription, str(path))
