"""Soft targets on disk: an ensemble's averaged predictions by example id, with what they were made from."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from mtdnn_tf.data.encoded_split import EXAMPLE_IDS, EncodedSplit
from mtdnn_tf.data.streaming.split_rows import SplitRows
from mtdnn_tf.data.streaming.text_places import TextPlaces
from mtdnn_tf.distillation.scored_rows import (
    PREDICTIONS,
    VARIANCES,
    ScoredRows,
    read_scored_rows,
    write_scored_rows,
)
from mtdnn_tf.distillation.target_shards import SHARDS, check_ids, is_in_shards, read_manifest_over_all, read_shards
from mtdnn_tf.errors import UserError
from mtdnn_tf.files import new_folder
from mtdnn_tf.json_files import check_schema
from mtdnn_tf.manifests import MANIFEST, read_manifest, write_manifest
from mtdnn_tf.tasks.task import TRAIN, Task

# Of a teacher: the fingerprint of its weights.
_WEIGHTS = "weights_sha256"
REMEDY = "delete it and run mtdnn score again"
_SCHEMA = 1


class ScoredSplit(NamedTuple):
    """What soft targets record of a split; `data_fingerprint` covers ids and texts."""

    split: str
    example_ids: Sequence[str]
    data_fingerprint: str


@dataclasses.dataclass(frozen=True)
class SoftTargets:
    """The soft targets of one task; ids and numbers stay on disk."""

    folder: Path  # Where they were read.
    rows: ScoredRows  # Ids, predictions and variances, of one folder or of all shards.
    manifest: Mapping[str, Any]  # What they were made from: task, kind, label names, split, data fingerprint, teachers.

    @property
    def example_ids(self) -> Sequence[str]:
        """The ids of the examples."""
        return self.rows.example_ids

    @property
    def predictions(self) -> np.ndarray:
        """Averaged probabilities or scores, float32 [examples, num_outputs]; those in shards are read into memory."""
        return np.asarray(self.rows.predictions)

    @property
    def variances(self) -> np.ndarray | None:
        """The teachers' variances around the average, float32 [examples], as `predictions`; None if not kept."""
        return None if self.rows.variances is None else np.asarray(self.rows.variances)

    @functools.cached_property
    def places(self) -> TextPlaces:
        """Where each id is."""
        return TextPlaces(self.example_ids)

    def release_places(self) -> None:
        """Frees the memory of `places`, which grows with the rows."""
        self.__dict__.pop("places", None)

    @property
    def teachers(self) -> int:
        """Number of teachers whose average each prediction is."""
        return int(self.manifest.get("teachers_per_example", len(self.manifest["teachers"])))


def result_key(task_name: str, split: str) -> str:
    """Returns the name of a split's soft targets: the task's for its training split, else with the split's."""
    return task_name if split == TRAIN else f"{task_name}/{split}"


def soft_target_folder(output_dir: Path, task: Task, split: str) -> Path:
    """Returns the folder of a split's soft targets: `<task>` for the training split, else `<task>-<split>`."""
    return output_dir / (task.name if split == TRAIN else f"{task.name}-{split}")


def holds_soft_targets(folder: Path) -> bool:
    """Returns whether a folder has soft targets of any task."""
    return any(folder.glob(f"*/{EXAMPLE_IDS}")) or any(map(is_in_shards, folder.glob("*/")))


def _of_task(task: Task, split: str) -> dict[str, Any]:
    return {"task": task.name, "kind": task.kind, "label_names": list(task.labels), "split": split}


def data_identity(task: Task, encoded: EncodedSplit | SplitRows | ScoredSplit) -> dict[str, Any]:
    """Returns the fields that must agree between soft targets and the training that joins them."""
    return {**_of_task(task, encoded.split), "data_fingerprint": encoded.data_fingerprint}


def teacher_record(name: str, weight: float, **details: Any) -> dict[str, Any]:
    """Returns what a manifest says of a teacher; `details` are JSON values that tell it from others."""
    return {"run": name, **details, "weight": weight}


def run_record(name: str, weights_sha256: str, weight: float, **details: Any) -> dict[str, Any]:
    """Returns the `teacher_record` of a model of this project, by the fingerprint of its weights."""
    return teacher_record(name, weight, **{_WEIGHTS: weights_sha256}, **details)


def is_average_of(targets: SoftTargets, fingerprints: Sequence[str]) -> bool:
    """Returns whether the teachers are models of this project with these weights, each of weight 1 in the average."""
    given = [(teacher.get(_WEIGHTS), teacher["weight"]) for teacher in targets.manifest["teachers"]]
    return given == [(of_run, 1.0) for of_run in fingerprints]


def shared_fields(
    task: Task, split: str, teachers: Sequence[Mapping[str, Any]], details: Mapping[str, Any]
) -> dict[str, Any]:
    """Returns what the manifests of all shards say alike; arguments as of `write_soft_targets`."""
    return {**_of_task(task, split), "temperature": 1.0, "teachers": [dict(teacher) for teacher in teachers], **details}


def write_soft_targets(
    folder: Path,
    task: Task,
    encoded: EncodedSplit | SplitRows | ScoredSplit,
    predictions: np.ndarray,
    teachers: Sequence[Mapping[str, Any]],
    variances: np.ndarray | None = None,
    details: Mapping[str, Any] | None = None,
) -> None:
    """Writes the soft targets of one task and split, replacing the folder as a whole.

    Args:
        folder: Where they go.
        task: Of the split.
        encoded: The split that was scored.
        predictions: Float32 [examples, num_outputs], in the split's row order.
        teachers: Run, fingerprint of weights, and weight in the average of each teacher; JSON values.
        variances: Float32 [examples]: the teachers' variance around the average; not kept if not given.
        details: Further fields of the manifest; `teachers_per_example` where not all teachers score every example.
    """
    manifest = {
        "schema": _SCHEMA,
        **data_identity(task, encoded),
        "examples": len(encoded.example_ids),
        "temperature": 1.0,
        "teachers": [dict(teacher) for teacher in teachers],
        **(details or {}),
    }
    with new_folder(folder) as temporary:
        write_scored_rows(temporary, ScoredRows(encoded.example_ids, predictions, variances))
        write_manifest(temporary, manifest)


def read_soft_targets(folder: Path) -> SoftTargets:
    """Reads the soft targets of one task and split, of one folder or in shards.

    Raises:
        UserError: The folder, or one of its shards, is damaged or of another version, or an id is a duplicate.
    """
    if is_in_shards(folder):
        manifest = read_manifest_over_all(folder)
        _check_teachers(folder, manifest)
        targets = SoftTargets(folder, read_shards(folder, manifest), manifest)
        check_ids(folder, manifest[SHARDS], targets.example_ids, targets.places)
        return targets
    manifest = read_manifest(folder, REMEDY, needed=(EXAMPLE_IDS, PREDICTIONS))
    check_schema(manifest.get("schema"), _SCHEMA, folder, REMEDY)
    _check_teachers(folder, manifest)
    rows = read_scored_rows(folder, REMEDY, VARIANCES in manifest["files"], manifest.get("examples"))
    targets = SoftTargets(folder, rows, manifest)
    if targets.places.duplicate():
        raise UserError(f"{folder / EXAMPLE_IDS}: duplicate id; {REMEDY}")
    return targets


def _check_teachers(folder: Path, manifest: Mapping[str, Any]) -> None:
    if not isinstance(manifest.get("teachers"), list):
        raise UserError(f"{folder / MANIFEST}: lists no teachers; {REMEDY}")


def find_soft_targets(folders: Sequence[Path], tasks: Sequence[Task]) -> dict[str, SoftTargets]:
    """Reads the soft targets of every task that has some in folders of mtdnn score, by `result_key`.

    Raises:
        UserError: A folder is missing or has none of the tasks, or two folders have the same task and split.
    """
    found: dict[str, SoftTargets] = {}
    for folder in folders:
        stores = [
            (task.name, store)
            for task in tasks
            # A task's name has no hyphen.
            for store in (folder / task.name, *sorted(folder.glob(f"{task.name}-*")))
            if store.is_dir()
        ]
        if not stores:
            raise UserError(
                f"--soft_targets {folder}: no soft targets of {', '.join(task.name for task in tasks)} there; "
                "a folder written by mtdnn score is accepted"
            )
        for name, store in stores:
            targets = read_soft_targets(store)
            key = result_key(name, str(targets.manifest.get("split")))
            if key in found:
                raise UserError(f"--soft_targets: task {key} is in both {found[key].folder} and {store}; give one")
            found[key] = targets
    return found
