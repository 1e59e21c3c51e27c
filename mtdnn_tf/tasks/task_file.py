"""Task files: tasks declared in YAML, built-in ones and the user's."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Collection
from pathlib import Path, PurePath, PurePosixPath
from typing import Any, TypeVar

from mtdnn_tf.errors import UserError, unknown_name
from mtdnn_tf.files import user_path
from mtdnn_tf.kinds.registry import KINDS
from mtdnn_tf.remote_files import is_remote
from mtdnn_tf.tasks.file_formats import ENDINGS, ending_of, is_pattern
from mtdnn_tf.tasks.task import CHOICES, HASH_ID, PER_LABEL, TRAIN, SplitFile, Task, TfdsData
from mtdnn_tf.tasks.yaml_values import YamlValue, read_yaml

_Dataclass = TypeVar("_Dataclass")
_REQUIRED = ("kind", "text", "label", "files")
_FIELDS = {field.name: field for field in dataclasses.fields(Task) if field.name != "name"}

# By the annotation of the field.
_READERS: dict[str, Callable[[YamlValue], Any]] = {
    "str": YamlValue.text,
    "str | None": lambda value: None if value.is_null else value.text(),
    "bool": YamlValue.truth,
    "float": YamlValue.number,
    "tuple[str, ...]": YamlValue.texts,
    "tuple[str, ...] | None": YamlValue.texts,
    "tuple[tuple[str, str], ...]": lambda value: tuple((key, item.text()) for key, item in value.fields().items()),
    "Mapping[str, str]": lambda value: {key: item.text() for key, item in value.fields().items()},
    "Mapping[str, int]": lambda value: {key: item.integer() for key, item in value.fields().items()},
    "TfdsData | None": lambda value: _made(value, TfdsData, **_record(value, TfdsData, ("name", "text"))),
}


def load_task_file(path: Path, is_built_in: bool = False) -> list[Task]:
    """Reads the tasks of a YAML file; data files of built-in ones are relative to the data folder, not to its folder.

    Without `id`, an example's id is a hash of its texts. Splits that are neither trained nor evaluated on may lack
    labels.
    """
    tasks = read_yaml(path).fields(("tasks",), ("tasks",))["tasks"]
    declared = tasks.fields(naming="task {}")
    if not declared:
        raise tasks.refused("one or more tasks")
    return [_task(name, value, None if is_built_in else path.parent) for name, value in declared.items()]


def _task(name: str, declaration: YamlValue, folder: Path | None) -> Task:
    given = declaration.fields((*_REQUIRED, *_FIELDS), _REQUIRED)
    kind = KINDS[_read(given["kind"], "kind", name)]
    values: dict[str, Any] = {"labels": kind.default_labels, "metrics": kind.default_metrics, "id": HASH_ID}
    splits = given["files"].fields()
    values["evaluation_splits"] = tuple(split for split in splits if split == "validation")
    for key in _FIELDS:
        if key in given and key != "files":
            accepted = {"metrics": kind.metrics, "evaluation_splits": splits}.get(key, ())
            values[key] = _read(given[key], key, name, accepted, values["labels"])
    label = given["label"].text()
    if label in values["text"]:
        raise given["label"].refused("another column than the texts")
    if label == values.get("group"):
        raise given["group"].refused("another column than the label")
    if values.get("weight") in (label, *values["text"]):
        raise given["weight"].refused("another column than texts and label")
    labelled = (TRAIN, *values["evaluation_splits"])
    files = {split: _file(value, split in labelled, label, name, folder) for split, value in splits.items()}
    return _made(declaration, Task, name=name, files=files, **values)


def _made(value: YamlValue, made: type[_Dataclass], **fields: Any) -> _Dataclass:
    """Returns a dataclass, and names the value that it is made of if it refuses its fields."""
    try:
        return made(**fields)
    except UserError as error:
        raise UserError(f"{value.where}: {error}") from None


def _read(value: YamlValue, key: str, task: str, accepted: Collection[str] = (), labels: tuple[str, ...] = ()) -> Any:
    """Returns the value of a task's field, by the field's annotation and metadata."""
    field = _FIELDS[key]
    annotation, accepted = str(field.type), accepted or field.metadata.get(CHOICES, ())
    if field.metadata.get(PER_LABEL):
        if value.is_text and annotation.endswith("| str"):
            return value.text()
        by_label = value.fields(labels, labels) if value.is_mapping else {}
        items = [by_label[label] for label in labels] if by_label else value.items()
        return tuple(item.number() if "float" in annotation else item.text() for item in items)
    found = _READERS[annotation](value)
    for item in (value.items() if isinstance(found, tuple) else [value]) if accepted else []:
        if item.text() not in accepted:
            raise unknown_name(f"{key} of task {task}", item.text(), accepted, item.where)
    return found


def _record(value: YamlValue, made: type, required: Collection[str]) -> dict[str, Any]:
    """Returns the arguments of a dataclass that a mapping gives."""
    types = {field.name: str(field.type) for field in dataclasses.fields(made)}
    return {key: _READERS[types[key]](item) for key, item in value.fields(types, required).items()}


def _file(value: YamlValue, is_labelled: bool, label: str, task: str, folder: Path | None) -> SplitFile:
    """Returns the file of a split, given as its path or with what is special about it."""
    fields = {"path": value.text()} if value.is_text else _record(value, SplitFile, ("path",))
    path: PurePath
    if is_remote(fields["path"]):
        text, path = fields["path"], PurePosixPath(fields["path"])
        may_be_folder = not path.suffix
    else:
        path = user_path(fields["path"])
        path = path if folder is None else (folder / path).resolve()
        text, may_be_folder = str(path), not path.suffix or path.is_dir()
    # The files of a folder or of a pattern are looked for when they are read.
    may_be_several = may_be_folder or is_pattern(path)
    if ending_of(path) not in ENDINGS and not may_be_several:
        raise unknown_name(f"ending of a file of task {task}", ending_of(path), ENDINGS, value.where)
    fields = {"label": label, **fields, "path": text}
    # A file without a label column has no label that could be missing.
    return SplitFile(**{"label_required": is_labelled or fields["label"] is None, **fields})
