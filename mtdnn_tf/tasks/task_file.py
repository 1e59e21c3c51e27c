"""Tasks that a user declares in a YAML file."""

from __future__ import annotations

from pathlib import Path

from mtdnn_tf.errors import UserError, shortened, unknown_name
from mtdnn_tf.kinds.base import Kind
from mtdnn_tf.kinds.registry import KINDS
from mtdnn_tf.tasks.task import HEADS, TRAIN, SplitFile, Task, is_split_name
from mtdnn_tf.tasks.yaml_values import YamlValue, read_yaml

FILE_ENDINGS = (".csv", ".jsonl", ".tsv")
_REQUIRED_KEYS = ("kind", "text", "label", "files")
_OPTIONAL_KEYS = ("labels", "metrics", "head", "dropout", "id", "evaluation_splits", "group", "class_weights")


def load_task_file(path: Path) -> list[Task]:
    """Reads the tasks of a user's YAML file.

    Files are relative to the task file. Where `id` is not given, an example's id is a hash of its texts.
    Splits that are neither trained nor evaluated on may lack labels.

    Raises:
        UserError: A key, kind, metric, head or file is not accepted; the message names the line.
    """
    fields = read_yaml(path).fields()
    for key, value in fields.items():
        if key != "tasks":
            raise unknown_name("key", key, ("tasks",), value.where)
    if "tasks" not in fields:
        raise UserError(f"{path}: `tasks:` is missing; the file takes it alone")
    declared = fields["tasks"].fields(naming="task {}")
    if not declared:
        raise fields["tasks"].refused("takes one or more tasks")
    return [_task(name, value, path.parent) for name, value in declared.items()]


def _task(name: str, declaration: YamlValue, folder: Path) -> Task:
    """Returns one task of a task file that stands in `folder`."""
    fields = declaration.fields(naming=f"{{}} of task {name}")
    for key, value in fields.items():
        if key not in (*_REQUIRED_KEYS, *_OPTIONAL_KEYS):
            raise unknown_name(f"key of task {name}", key, (*_REQUIRED_KEYS, *_OPTIONAL_KEYS), value.where)
    for key in _REQUIRED_KEYS:
        if key not in fields:
            raise UserError(f"{declaration.where}: task {name} lacks `{key}:`")
    kind = KINDS[_name_of(fields, "kind", name, tuple(KINDS))]
    text, label = fields["text"].texts(), fields["label"].text()
    if label in text:
        raise UserError(f"{fields['label'].where}: column {label!r} of task {name} is both text and label")
    labels = fields["labels"].texts() if "labels" in fields else kind.default_labels
    metrics = _metrics(fields["metrics"], name, kind) if "metrics" in fields else kind.default_metrics
    head = _name_of(fields, "head", name, HEADS) if "head" in fields else HEADS[0]
    dropout = fields["dropout"].number() if "dropout" in fields else 0.1
    example_id = fields["id"].text() if "id" in fields else "hash"
    group = fields["group"].text() if "group" in fields else None
    weights = _class_weights(fields["class_weights"], name, labels) if "class_weights" in fields else ()
    if group == label:
        raise UserError(f"{fields['group'].where}: column {group!r} of task {name} is both group and label")
    splits = fields["files"].fields(naming=f"{{}} file of task {name}")
    evaluation_splits = _evaluation_splits(fields, name, tuple(splits))
    labelled_splits = (TRAIN, *evaluation_splits)
    files = {
        split: SplitFile(_file_path(split, value, name, folder), label=label, label_required=split in labelled_splits)
        for split, value in splits.items()
    }
    try:
        return Task(
            name=name,
            kind=kind.name,
            text=text,
            labels=labels,
            metrics=metrics,
            head=head,
            dropout=dropout,
            files=files,
            id=example_id,
            evaluation_splits=evaluation_splits,
            group=group,
            class_weights=weights,
        )
    except UserError as error:
        raise UserError(f"{declaration.where}: {error}") from None


def _name_of(fields: dict[str, YamlValue], key: str, task: str, accepted: tuple[str, ...]) -> str:
    """Returns the name that a key gives, one of those accepted."""
    given = fields[key].text()
    if given not in accepted:
        raise unknown_name(f"{key} of task {task}", given, accepted, fields[key].where)
    return given


def _metrics(metrics: YamlValue, task: str, kind: Kind) -> tuple[str, ...]:
    """Returns the metrics of a task of this kind."""
    for item in metrics.items():
        if item.text() not in kind.metrics:
            raise unknown_name(f"metric of {kind.name} task {task}", item.text(), kind.metrics, item.where)
    return metrics.texts()


def _class_weights(weights: YamlValue, task: str, labels: tuple[str, ...]) -> tuple[float, ...] | str:
    """Returns the weights of the labels: those listed, or given by label, or the text that is given."""
    if weights.is_text:
        return weights.text()
    if not weights.is_mapping:
        return tuple(item.number() for item in weights.items())
    by_label = weights.fields(naming=f"{{}} in class_weights of task {task}")
    for label, value in by_label.items():
        if label not in labels:
            raise unknown_name(f"label in class_weights of task {task}", label, labels, value.where)
    for label in labels:
        if label not in by_label:
            raise UserError(f"{weights.where}: class_weights of task {task} must have a number for label {label!r}")
    return tuple(by_label[label].number() for label in labels)


def _evaluation_splits(fields: dict[str, YamlValue], task: str, splits: tuple[str, ...]) -> tuple[str, ...]:
    """Returns the splits to evaluate on: those given, else `validation` if there is one."""
    if "evaluation_splits" not in fields:
        return tuple(split for split in splits if split == "validation")
    for item in fields["evaluation_splits"].items():
        if item.text() not in splits:
            raise unknown_name(f"evaluation split of task {task}", item.text(), splits, item.where)
    return fields["evaluation_splits"].texts()


def _file_path(split: str, value: YamlValue, task: str, folder: Path) -> str:
    """Returns the absolute path of a split's file."""
    if not is_split_name(split):
        raise UserError(
            f"{value.where}: split {shortened(split)!r} of task {task} is not accepted:"
            " letters, digits and _, not starting with a digit, up to 100"
        )
    path = Path(value.text())
    if path.suffix not in FILE_ENDINGS:
        raise unknown_name(f"ending of the {split} file of task {task}", path.suffix, FILE_ENDINGS, value.where)
    return str((folder / path).resolve())
