"""Tasks declared in Python, which become entries of a task file."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any


@dataclasses.dataclass(frozen=True)
class TaskDeclaration:
    """A task as a task file declares it, without its files.

    Attributes:
        name: Lower-case name.
        kind: Kind of task, such as "classification".
        texts: Columns of the one or two texts.
        label: Column of the gold label or score.
        options: Other keys of a task file's entry, such as `labels`, `metrics` and `weight`.
    """

    name: str
    kind: str
    texts: tuple[str, ...]
    label: str = "label"
    options: Mapping[str, Any] = dataclasses.field(default_factory=dict)

    @property
    def labels(self) -> tuple[str, ...]:
        """Names of the labels; empty for a regression."""
        return tuple(map(str, self.options.get("labels", ())))

    @property
    def required_columns(self) -> tuple[str, ...]:
        """Columns that every table has."""
        return tuple(
            dict.fromkeys([*self.texts, *(self.options[key] for key in ("id", "group") if key in self.options)])
        )

    def entry(self, files: Mapping[str, str]) -> dict[str, Any]:
        """Returns the entry of a task file, with the path of each split's file."""
        options = {key: _plain(value) for key, value in self.options.items()}
        if self.labels:
            options["labels"] = list(self.labels)
        return {"kind": self.kind, "text": list(self.texts), "label": self.label, **options, "files": dict(files)}


def _plain(value: Any) -> Any:
    """Returns a value as YAML writes it."""
    return list(value) if isinstance(value, tuple) else dict(value) if isinstance(value, Mapping) else value


def _declare(
    name: str, kind: str, texts: str | Sequence[str], label: str, options: Mapping[str, Any]
) -> TaskDeclaration:
    return TaskDeclaration(name, kind, (texts,) if isinstance(texts, str) else tuple(texts), label, options)


def Classification(
    name: str, texts: str | Sequence[str], labels: Sequence[str], label: str = "label", **options: Any
) -> TaskDeclaration:
    """Declares a task that gives a text, or a pair of texts, one of several labels.

    Args:
        name: Lower-case name of the task.
        texts: Column of the text, or columns of the two texts.
        labels: Names of the labels.
        label: Column of the gold label: a label's name, or its number from 0.
        **options: Other keys of a task file's entry: `metrics`, `head`, `dropout`, `id`, `class_weights`, `weight`.

    Example:
        >>> import mtdnn_tf as mtdnn
        >>> mtdnn.Classification("intent", "utterance", ["book", "cancel"]).labels
        ('book', 'cancel')
    """
    return _declare(name, "classification", texts, label, {"labels": labels, **options})


def MultiLabel(
    name: str, texts: str | Sequence[str], labels: Sequence[str], label: str = "labels", **options: Any
) -> TaskDeclaration:
    """Declares a task that gives a text any number of labels; see `Classification`.

    Args:
        name: Lower-case name of the task.
        texts: Column of the text, or columns of the two texts.
        labels: Names of the labels.
        label: Column of the list of gold labels.
        **options: Other keys of a task file's entry.
    """
    return _declare(name, "multi_label", texts, label, {"labels": labels, **options})


def Regression(name: str, texts: str | Sequence[str], label: str = "score", **options: Any) -> TaskDeclaration:
    """Declares a task that gives a text, or a pair of texts, a score; see `Classification`.

    Args:
        name: Lower-case name of the task.
        texts: Column of the text, or columns of the two texts.
        label: Column of the gold score.
        **options: Other keys of a task file's entry.
    """
    return _declare(name, "regression", texts, label, options)


def Ranking(
    name: str, texts: Sequence[str], label: str = "label", labels: Sequence[str] = ("0", "1"), **options: Any
) -> TaskDeclaration:
    """Declares a task that ranks the candidates of a query; see `Classification`.

    Args:
        name: Lower-case name of the task.
        texts: Columns of the query and of the candidate.
        label: Column of the gold label.
        labels: What `label` says of a candidate that is not relevant, and of one that is.
        **options: Other keys of a task file's entry, such as `group`, the column that names the query.
    """
    return _declare(name, "ranking", texts, label, {"labels": labels, **options})
