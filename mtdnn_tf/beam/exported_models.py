"""Models as SavedModels that `mtdnn export` wrote: what they say of themselves, and what they answer."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from mtdnn_tf.data.sources.example import Example
from mtdnn_tf.errors import UserError, shortened, unknown_name
from mtdnn_tf.json_files import read_json_object
from mtdnn_tf.release import layout as release
from mtdnn_tf.serving.layout import DESCRIPTION, SAVED_MODEL
from mtdnn_tf.serving.server.models.saved_model_version import SavedModelVersion
from mtdnn_tf.tasks.task import Task

_TEXTS = ("text_a", "text_b")


class ExportedModel(NamedTuple):
    """One version of an exported model."""

    folder: Path  # With the SavedModel.
    weights: str  # How its weights are stored, such as "float32".
    fingerprint: str  # Of the weights of its run.

    @property
    def name(self) -> str:
        """The folder, with the folder of the versions if it is named by a number."""
        is_version = self.folder.name.isdecimal()
        return f"{self.folder.parent.name}/{self.folder.name}" if is_version else self.folder.name


def find_exported(folder: Path, tasks: Sequence[Task], flag: str) -> ExportedModel:
    """Returns the model of a folder: of a SavedModel, of versions, of which the highest is taken, or of a release.

    Args:
        folder: The folder.
        tasks: The tasks that it must answer.
        flag: The flag that names it, for messages.

    Raises:
        UserError: There is no SavedModel of this project, or it does not answer the tasks with their labels in order.
    """
    version = _version(folder / release.SERVING if (folder / release.DESCRIPTION).is_file() else folder, flag)
    description = read_json_object(version / DESCRIPTION)
    tasks_there, fingerprint = description.get("tasks"), description.get("model_fingerprint")
    if not isinstance(tasks_there, dict) or not isinstance(fingerprint, str):
        raise UserError(f"{version / DESCRIPTION}: not the description of an exported model; run mtdnn export again")
    for task in tasks:
        _check_task(version, task, tasks_there)
    return ExportedModel(version, str(description.get("weights")), fingerprint)


def _version(folder: Path, flag: str) -> Path:
    if (folder / SAVED_MODEL).is_file():
        return folder
    numbered = [path for path in (folder.iterdir() if folder.is_dir() else ()) if path.name.isdecimal()]
    versions = [path for path in numbered if (path / SAVED_MODEL).is_file()]
    if not versions:
        raise UserError(f"{folder}: {flag} must name folders that mtdnn export wrote, got no {SAVED_MODEL} there")
    return max(versions, key=lambda path: int(path.name))


def _check_task(version: Path, task: Task, there: dict[str, Any]) -> None:
    """Refuses a model whose head for a task is missing, or of another kind, of other texts or labels."""
    if task.head_task not in there:
        raise unknown_name(f"task of model {version}", task.head_task, there)
    labels = [label for label, _ in task.head_labels] or list(task.labels)
    needed = {"kind": task.kind, "columns": list(task.text), "labels": labels}
    given = there[task.head_task]
    for field, value in needed.items():
        found = given.get(field) if isinstance(given, dict) else None
        if found != value:
            raise UserError(
                f"model {version}: {field} of task {task.head_task} must be {_shown(value)}, got {_shown(found)}"
            )


def _shown(value: Any) -> str:
    return shortened(", ".join(map(str, value)) or "none" if isinstance(value, list) else str(value))


class LoadedModels:
    """SavedModels, loaded once per process."""

    def __init__(self, models: Sequence[ExportedModel]) -> None:
        self._models = models
        self._loaded = [SavedModelVersion(model.folder) for model in models]

    def predictions(
        self, task: Task, examples: Sequence[Example], queries: np.ndarray | None, batch_size: int
    ) -> list[np.ndarray]:
        """Returns each model's `Kind.predictions` for examples, float32 [examples, num_outputs].

        Args:
            task: The task.
            examples: One or more examples, whole queries of a ranking.
            queries: Number of the query of each example, int32 [examples]; None if the task has no queries.
            batch_size: Rows per batch. Rows of similar length share a batch.

        Raises:
            UserError: A model's outputs are not finite numbers.
        """
        texts = [[example.text_a for example in examples], [example.text_b or "" for example in examples]]
        columns = dict(zip(_TEXTS, texts[: len(task.text)]))
        lengths = [sum(map(len, row)) for row in zip(*columns.values())]
        order = np.argsort(np.negative(lengths), kind="stable")
        found = []
        for model, loaded in zip(self._models, self._loaded):
            parts = []
            for start in range(0, len(order), batch_size):
                rows = order[start : start + batch_size]
                answer = loaded.compute(task.head_task, {name: _strings(of, rows) for name, of in columns.items()})
                parts.append(answer["probabilities"] if "probabilities" in answer else answer["score"][:, np.newaxis])
            outputs = np.concatenate(parts)[np.argsort(order)]
            finite = np.isfinite(outputs).all(axis=1)
            if not finite.all():
                raise UserError(
                    f"model {model.folder}, task {task.name}: {np.sum(~finite)} of {len(outputs)} predictions are "
                    "not finite numbers; the model's training diverged"
                )
            found.append(task.kind_object.predictions(task, outputs, queries))
        return found


def _strings(texts: Sequence[str], rows: np.ndarray) -> np.ndarray:
    return np.array([texts[row].encode() for row in rows], object)
