"""Teachers that are tables of answers or soft targets, beside trained models, as files that can be averaged."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Union

from mtdnn_tf.api.model import Model
from mtdnn_tf.api.tables import Table, read_columns, write_named_by_content
from mtdnn_tf.distillation.soft_targets import holds_soft_targets
from mtdnn_tf.distillation.table_options import TableOptions
from mtdnn_tf.errors import UserError
from mtdnn_tf.files import user_path
from mtdnn_tf.kinds.values import LIST_SEPARATOR
from mtdnn_tf.tasks.file_formats import ENDINGS, ending_of

# A trained model, a folder of soft targets, or a table of predictions or answers.
Teacher = Union[str, Path, Model, Table]


def is_trained(teacher: Teacher) -> bool:
    """Returns whether a teacher is a trained model, and no table or folder of soft targets."""
    if isinstance(teacher, (str, Path)):
        path = user_path(str(teacher))
        return ending_of(path) not in ENDINGS and not holds_soft_targets(path)
    return isinstance(teacher, Model)


def trained_folders(teachers: Sequence[Teacher]) -> list[Path]:
    """Returns the folders of trained models; refuses none at all."""
    if not teachers:
        raise UserError("`teachers` must be one or more trained models, got none")
    return [teacher.folder if isinstance(teacher, Model) else user_path(str(teacher)) for teacher in teachers]


def teacher_file(teacher: Table, folder: Path) -> Path:
    """Returns the path of a table or folder of soft targets; a table in memory is written to a folder first."""
    if isinstance(teacher, (str, Path)):
        return user_path(str(teacher))
    columns = read_columns(teacher, "`teachers`")
    rows = ({name: _cell(value) for name, value in zip(columns, values)} for values in zip(*columns.values()))
    return write_named_by_content(folder, "teacher", ".jsonl", "".join(json.dumps(row) + "\n" for row in rows))


def _cell(value: Any) -> Any:
    """Returns a cell as JSON; None for pandas's marks of a missing value."""
    if isinstance(value, (list, tuple)):
        return LIST_SEPARATOR.join(map(str, value))
    is_missing = value is None or value != value
    return None if is_missing else value if isinstance(value, (str, int, float)) else str(value)


def table_options(options: dict[str, Any], folder: Path) -> TableOptions:
    """Returns the options of tables; refuses unknown ones by name, and writes tables in memory to a folder."""
    TableOptions.check_names(options)
    values, tables = options.get("values"), options.get("calibration_from")
    if values is not None:
        options = {**options, "values": (values,) if isinstance(values, str) else tuple(values)}
    if tables is not None:
        given = tables if isinstance(tables, (list, tuple)) else [tables]
        options = {**options, "calibration_from": tuple(teacher_file(table, folder) for table in given)}
    return TableOptions.build(**options)
