"""Tables of rows as Python users have them, and the files that trainings read."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Union

import numpy as np

from mtdnn_tf.api.tasks import TaskDeclaration
from mtdnn_tf.data.sources.example import read_weight
from mtdnn_tf.data.sources.saved_datasets import class_name
from mtdnn_tf.errors import UserError
from mtdnn_tf.files import data_path, write_text
from mtdnn_tf.kinds.label_index import label_index
from mtdnn_tf.tasks.task import TRAIN

# A file; a mapping of columns; or a pandas or polars DataFrame or a Hugging Face Dataset.
Table = Union[str, Path, Mapping[str, Sequence[Any]], Any]


def is_table(value: Any) -> bool:
    """Returns whether a value is one table, and not a mapping from splits to tables."""
    return not (isinstance(value, Mapping) and any(map(_holds_columns, value.values())))


def _holds_columns(value: Any) -> bool:
    return isinstance(value, (str, Path, Mapping)) or hasattr(value, "columns") or hasattr(value, "column_names")


def read_columns(table: Any, what: str) -> dict[str, list[Any]]:
    """Returns the columns of a table in memory, or raises UserError, in which `what` names the table."""
    names = table if isinstance(table, Mapping) else getattr(table, "column_names", getattr(table, "columns", None))
    if names is None:
        raise UserError(
            f"{what}: must be a file, a mapping of columns, a pandas or polars DataFrame or a Hugging Face Dataset, "
            f"got {type(table).__name__}"
        )
    columns = {str(name): _values(table[name]) for name in names}
    lengths = {name: len(values) for name, values in columns.items()}
    if len(set(lengths.values())) > 1:
        listed = ", ".join(f"{name} {length}" for name, length in lengths.items())
        raise UserError(f"{what}: columns must have the same number of rows, got {listed}")
    return columns


def _values(column: Any) -> list[Any]:
    for method in ("to_list", "tolist"):
        if hasattr(column, method):
            return list(getattr(column, method)())
    return list(column)


def _class_names(table: Table, task: TaskDeclaration) -> Sequence[str]:
    """Returns the names of the classes whose numbers the label column of a Hugging Face Dataset has; else none."""
    features = getattr(table, "features", None) or {}
    feature = features.get(task.label) if hasattr(features, "get") else None
    return getattr(getattr(feature, "feature", feature), "names", None) or ()


def table_rows(table: Table, task: TaskDeclaration, split: str, has_label: bool) -> Iterator[dict[str, Any]]:
    """Yields the rows of a table in memory as a data file's JSON objects; messages name the task and the split.

    With `has_label`, every row must have a label; otherwise the column may be missing.

    Raises:
        UserError: A column is missing, a text is not a string, or a label is not of the task.
    """
    what = f"task {task.name}, split {split}"
    columns = read_columns(table, what)
    weight = task.options.get("weight")
    needed = [
        *task.required_columns,
        *([task.label] if has_label else []),
        *([weight] if weight is not None and split == TRAIN else []),
    ]
    for name in needed:
        if name not in columns:
            raise UserError(f"{what}: column {name!r} is missing; the columns are {', '.join(columns) or 'none'}")
    kept = list(dict.fromkeys([*needed, *(name for name in (task.label, weight) if name in columns)]))
    classes = _class_names(table, task)
    names = [name for name in task.required_columns if name not in task.texts]
    for number, values in enumerate(zip(*(columns[name] for name in kept))):
        row = dict(zip(kept, values))
        for name in task.texts:
            if not isinstance(row[name], str):
                raise UserError(f"{what}, row {number}: column {name!r} must be text, got {row[name]!r}")
        if weight is not None and weight in row:
            row[weight] = read_weight(row[weight], weight, f"{what}, row {number}")
        if task.label in row:
            label = _label(row.pop(task.label), task.labels, classes, f"{what}, row {number}: column {task.label!r}")
            if label is not None:
                row[task.label] = label
            elif has_label:
                raise UserError(f"{what}, row {number}: column {task.label!r} is empty; every row must have a label")
        for name in names:
            row[name] = _name(row[name], f"{what}, row {number}: column {name!r}")
        yield row


def _name(value: Any, where: str) -> str:
    """Returns an id or a query's name as text."""
    # pandas stores integers beside missing values as floats.
    if isinstance(value, (float, np.floating)) and value.is_integer():
        value = int(value)
    if value is None or value != value:
        raise UserError(f"{where} must have a value, got {value}")
    return str(value)


def _label(value: Any, names: Sequence[str], classes: Sequence[str], where: str) -> Any:
    """Returns a gold label or score as JSON; None if there is none."""
    if isinstance(value, (list, tuple, np.ndarray)):
        return [_label(item, names, classes, where) for item in value]
    if value is None or (isinstance(value, float) and np.isnan(value)):
        return None
    if isinstance(value, np.generic):
        value = value.item()
    if not names:
        return value if isinstance(value, str) else float(value)
    # pandas stores integers beside missing values as floats.
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, int) and not isinstance(value, bool):
        if classes:
            return class_name(value, classes, where)
        index = label_index(str(value), names)
        return str(value) if index is None else names[index]
    return str(value)


def write_table(table: Table, task: TaskDeclaration, split: str, folder: Path, has_label: bool) -> Path:
    """Returns the file of a table: the given one, or a JSONL file named by its content, written to a folder.

    Other arguments and errors are those of `table_rows`.
    """
    if isinstance(table, (str, Path)):
        return data_path(str(table)).resolve()
    rows = table_rows(table, task, split, has_label)
    content = "".join(json.dumps(row, ensure_ascii=False, allow_nan=False) + "\n" for row in rows)
    return write_named_by_content(folder, f"{task.name}-{split}", ".jsonl", content)


def write_named_by_content(folder: Path, name: str, ending: str, content: str) -> Path:
    """Returns the absolute path of a text file `<name>-<hash of its content><ending>`, written if it is not there."""
    digest = hashlib.sha256(content.encode()).hexdigest()[:16]
    path = folder / f"{name}-{digest}{ending}"
    if not path.is_file():
        write_text(path, content)
    return path.resolve()
