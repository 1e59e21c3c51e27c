"""Soft targets on disk: an ensemble's averaged predictions by example id, with what they were made from."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mtdnn_tf.data.encoded_split import EncodedSplit
from mtdnn_tf.distillation.ensemble import to_logits
from mtdnn_tf.errors import UserError
from mtdnn_tf.files import new_folder, read_manifest, write_manifest, write_text
from mtdnn_tf.tasks.task import CLASSIFICATION, Task

_IDS = "example_ids.txt"
_PREDICTIONS = "predictions.npy"
_REMEDY = "delete it and run tools.score again"
_SCHEMA = 1


@dataclasses.dataclass(frozen=True)
class SoftTargets:
    """The soft targets of one task.

    Attributes:
        folder: Where they stand.
        example_ids: Ids of the examples that have a soft target.
        predictions: Float32 [examples, num_outputs]: averaged class probabilities, or averaged scores.
        manifest: What they were made from: task, kind, label names, split, data fingerprint, teachers.
    """

    folder: Path
    example_ids: tuple[str, ...]
    predictions: np.ndarray
    manifest: Mapping[str, Any]


def _identity(task: Task, encoded: EncodedSplit) -> dict[str, Any]:
    """Returns the fields that must agree between soft targets and the training that joins them."""
    return {
        "task": task.name,
        "kind": task.kind,
        "label_names": list(task.labels),
        "split": encoded.split,
        "data_fingerprint": encoded.data_fingerprint,
    }


def write_soft_targets(
    folder: Path,
    task: Task,
    encoded: EncodedSplit,
    predictions: np.ndarray,
    teachers: Sequence[Mapping[str, Any]],
) -> None:
    """Writes the soft targets of one task, complete or not at all.

    Args:
        folder: Where they go; replaced if it stands.
        task: The task.
        encoded: The split that was scored.
        predictions: Float32 [examples, num_outputs], in the split's row order.
        teachers: For each teacher its run, weights fingerprint, weight in the average and dev metrics; JSON values.
    """
    with new_folder(folder) as temporary:
        np.save(temporary / _PREDICTIONS, predictions.astype(np.float32), allow_pickle=False)
        write_text(temporary / _IDS, "".join(f"{example_id}\n" for example_id in encoded.example_ids))
        write_manifest(
            temporary,
            {
                "schema": _SCHEMA,
                **_identity(task, encoded),
                "examples": len(encoded),
                "temperature": 1.0,
                "teachers": [dict(teacher) for teacher in teachers],
            },
        )


def read_soft_targets(folder: Path) -> SoftTargets:
    """Reads the soft targets of one task.

    Raises:
        UserError: The folder is damaged or of another version.
    """
    manifest = read_manifest(folder, _REMEDY)
    if manifest.get("schema") != _SCHEMA:
        raise UserError(
            f"{folder}: soft targets of schema {_SCHEMA} are accepted, {manifest.get('schema')} given; {_REMEDY}"
        )
    example_ids = tuple((folder / _IDS).read_text(encoding="utf-8").split("\n")[:-1])
    predictions = np.load(folder / _PREDICTIONS, allow_pickle=False)
    if not len(predictions) == len(example_ids) == manifest["examples"]:
        raise UserError(f"{folder}: {len(example_ids)} ids, {len(predictions)} predictions; {_REMEDY}")
    return SoftTargets(folder, example_ids, predictions, manifest)


def find_soft_targets(folders: Sequence[Path], tasks: Sequence[Task]) -> dict[str, SoftTargets]:
    """Reads the soft targets of every task that has some.

    Args:
        folders: Folders that tools.score wrote, each with one folder a task.
        tasks: The tasks to train; a task without soft targets is left out of the result.

    Returns:
        Soft targets by task name.

    Raises:
        UserError: A folder is missing or has none of the tasks, or two folders have the same task.
    """
    found: dict[str, SoftTargets] = {}
    for folder in folders:
        names = [task.name for task in tasks if (folder / task.name).is_dir()]
        if not names:
            raise UserError(
                f"--soft_targets {folder}: no soft targets of {', '.join(task.name for task in tasks)} there; "
                "a folder written by tools.score is accepted"
            )
        for name in names:
            if name in found:
                raise UserError(
                    f"--soft_targets: task {name} stands in both {found[name].folder.parent} and {folder}; give one"
                )
            found[name] = read_soft_targets(folder / name)
    return found


def join_soft_targets(targets: SoftTargets, task: Task, encoded: EncodedSplit, rows: np.ndarray) -> np.ndarray:
    """Returns the teacher logits of some rows of a split, joined by example id.

    Args:
        targets: The task's soft targets.
        task: The task that trains.
        encoded: The split that trains.
        rows: Indices of its rows that need soft targets.

    Returns:
        Float32 [len(rows), num_outputs]: log of averaged probabilities, or averaged scores.

    Raises:
        UserError: The soft targets were made from other data or other labels, or lack an example.
    """
    given, needed = targets.manifest, _identity(task, encoded)
    differing = [field for field in needed if given.get(field) != needed[field]]
    if differing:
        diff = "; ".join(f"{field}: soft targets {given.get(field)}, training {needed[field]}" for field in differing)
        raise UserError(f"{targets.folder}: soft targets of another data set or task ({diff}); run tools.score on it")
    position = {example_id: index for index, example_id in enumerate(targets.example_ids)}
    wanted = [encoded.example_ids[row] for row in rows]
    missing = [example_id for example_id in wanted if example_id not in position]
    if missing:
        raise UserError(
            f"{targets.folder}: no soft target for {len(missing)} of {len(wanted)} examples, "
            f"the first: {', '.join(missing[:5])}"
        )
    joined = targets.predictions[[position[example_id] for example_id in wanted]]
    return to_logits(joined) if task.kind == CLASSIFICATION else joined.astype(np.float32)
