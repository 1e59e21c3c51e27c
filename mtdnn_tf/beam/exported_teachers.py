"""Teachers as SavedModels that `mtdnn export` wrote: what they say of themselves, and what they answer."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from mtdnn_tf.errors import UserError, shortened, unknown_name
from mtdnn_tf.json_files import read_json_object
from mtdnn_tf.serving.layout import DESCRIPTION, SAVED_MODEL
from mtdnn_tf.serving.server.models.saved_model_version import SavedModelVersion
from mtdnn_tf.tasks.task import Task

_TEXTS = ("text_a", "text_b")


class ExportedTeacher(NamedTuple):
    """One version of an exported model."""

    folder: Path  # With the SavedModel.
    weights: str  # How its weights are stored, such as "float32".
    fingerprint: str  # Of the weights of its run.

    @property
    def name(self) -> str:
        """The folder, with the folder of the versions if it is named by a number."""
        is_version = self.folder.name.isdecimal()
        return f"{self.folder.parent.name}/{self.folder.name}" if is_version else self.folder.name


def find_teacher(folder: Path, tasks: Sequence[Task]) -> ExportedTeacher:
    """Returns the teacher of a folder: of a SavedModel, or of versions, of which the highest is taken.

    Raises:
        UserError: There is no SavedModel of this project, or it does not answer the tasks with their labels in order.
    """
    version = _version(folder)
    description = read_json_object(version / DESCRIPTION)
    tasks_there, fingerprint = description.get("tasks"), description.get("model_fingerprint")
    if not isinstance(tasks_there, dict) or not isinstance(fingerprint, str):
        raise UserError(f"{version / DESCRIPTION}: not the description of an exported model; run mtdnn export again")
    for task in tasks:
        _check_task(version, task, tasks_there)
    return ExportedTeacher(version, str(description.get("weights")), fingerprint)


def _version(folder: Path) -> Path:
    if (folder / SAVED_MODEL).is_file():
        return folder
    numbered = [path for path in (folder.iterdir() if folder.is_dir() else ()) if path.name.isdecimal()]
    versions = [path for path in numbered if (path / SAVED_MODEL).is_file()]
    if not versions:
        raise UserError(f"{folder}: --teachers must be folders that mtdnn export wrote, got no {SAVED_MODEL} there")
    return max(versions, key=lambda path: int(path.name))


def _check_task(version: Path, task: Task, there: dict[str, Any]) -> None:
    """Refuses a teacher whose head for a task is missing, or of another kind, of other texts or labels."""
    if task.head_task not in there:
        raise unknown_name(f"task of teacher {version}", task.head_task, there)
    labels = [label for label, _ in task.head_labels] or list(task.labels)
    needed = {"kind": task.kind, "columns": list(task.text), "labels": labels}
    given = there[task.head_task]
    for field, value in needed.items():
        found = given.get(field) if isinstance(given, dict) else None
        if found != value:
            raise UserError(
                f"teacher {version}: {field} of task {task.head_task} must be {_shown(value)}, got {_shown(found)}"
            )


def _shown(value: Any) -> str:
    return shortened(", ".join(map(str, value)) or "none" if isinstance(value, list) else str(value))


class LoadedTeachers:
    """The SavedModels of all teachers, loaded once per process."""

    def __init__(self, teachers: Sequence[ExportedTeacher]) -> None:
        self._teachers = teachers
        self._models = [SavedModelVersion(teacher.folder) for teacher in teachers]

    def outputs(
        self, task: Task, texts_a: Sequence[str], texts_b: Sequence[str | None], batch_size: int
    ) -> list[np.ndarray]:
        """Returns each teacher's `Kind.row_outputs` for rows, float32 [rows, outputs of the head].

        Args:
            task: The task.
            texts_a: First text of each row.
            texts_b: Second text of each row; None for tasks of single texts.
            batch_size: Rows per batch. Rows of similar length share a batch.

        Raises:
            UserError: A teacher's outputs are not finite numbers.
        """
        columns = [texts_a, texts_b] if task.is_pair else [texts_a]
        order = np.argsort([-sum(len(text or "") for text in texts) for texts in zip(*columns)], kind="stable")
        found = []
        for teacher, model in zip(self._teachers, self._models):
            parts = []
            for start in range(0, len(order), batch_size):
                rows = order[start : start + batch_size]
                inputs = {name: _strings(texts, rows) for name, texts in zip(_TEXTS, columns)}
                answer = model.compute(task.head_task, inputs)
                parts.append(answer["probabilities"] if "probabilities" in answer else answer["score"][:, np.newaxis])
            outputs = np.concatenate(parts)[np.argsort(order)]
            finite = np.isfinite(outputs).all(axis=1)
            if not finite.all():
                raise UserError(
                    f"teacher {teacher.folder}, task {task.name}: {np.sum(~finite)} of {len(outputs)} predictions are "
                    "not finite numbers; the model's training diverged"
                )
            found.append(outputs)
        return found


def _strings(texts: Sequence[str | None], rows: np.ndarray) -> np.ndarray:
    return np.array([(texts[row] or "").encode() for row in rows], object)
