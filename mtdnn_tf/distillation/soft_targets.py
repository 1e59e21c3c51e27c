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
from mtdnn_tf.data.streaming.text_lines import TakenTexts
from mtdnn_tf.data.streaming.text_places import TextPlaces
from mtdnn_tf.distillation.ensemble import variance_weights
from mtdnn_tf.distillation.scored_rows import (
    PREDICTIONS,
    VARIANCES,
    ScoredRows,
    read_scored_rows,
    write_scored_rows,
)
from mtdnn_tf.errors import UserError
from mtdnn_tf.files import new_folder
from mtdnn_tf.json_files import check_schema
from mtdnn_tf.manifests import MANIFEST, read_manifest, write_manifest
from mtdnn_tf.tasks.task import TRAIN, Task

# Of a teacher: the fingerprint of its weights.
_WEIGHTS = "weights_sha256"
_REMEDY = "delete it and run mtdnn score again"
_SCHEMA = 1
_ROWS_AT_ONCE = 1 << 16


class ScoredSplit(NamedTuple):
    """What soft targets record of a split; `data_fingerprint` covers ids and texts."""

    split: str
    example_ids: Sequence[str]
    data_fingerprint: str


@dataclasses.dataclass(frozen=True)
class SoftTargets:
    """The soft targets of one task; ids and numbers stay on disk."""

    folder: Path  # Where they were read.
    example_ids: Sequence[str]
    predictions: np.ndarray  # Float32 [examples, num_outputs]: averaged probabilities or scores.
    manifest: Mapping[str, Any]  # What they were made from: task, kind, label names, split, data fingerprint, teachers.
    variances: np.ndarray | None = None  # Float32 [examples]: the teachers', around the average; None if not kept.

    @functools.cached_property
    def places(self) -> TextPlaces:
        """Where each id is."""
        return TextPlaces(self.example_ids)

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
    return any(folder.glob(f"*/{EXAMPLE_IDS}"))


def _identity(task: Task, encoded: EncodedSplit | SplitRows | ScoredSplit) -> dict[str, Any]:
    """Returns the fields that must agree between soft targets and the training that joins them."""
    return {
        "task": task.name,
        "kind": task.kind,
        "label_names": list(task.labels),
        "split": encoded.split,
        "data_fingerprint": encoded.data_fingerprint,
    }


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
        **_identity(task, encoded),
        "examples": len(encoded.example_ids),
        "temperature": 1.0,
        "teachers": [dict(teacher) for teacher in teachers],
        **(details or {}),
    }
    with new_folder(folder) as temporary:
        write_scored_rows(temporary, ScoredRows(encoded.example_ids, predictions, variances))
        write_manifest(temporary, manifest)


def read_soft_targets(folder: Path) -> SoftTargets:
    """Reads the soft targets of one task and split; refuses a folder that is damaged or of another version."""
    manifest = read_manifest(folder, _REMEDY, needed=(EXAMPLE_IDS, PREDICTIONS))
    check_schema(manifest.get("schema"), _SCHEMA, folder, _REMEDY)
    if not isinstance(manifest.get("teachers"), list):
        raise UserError(f"{folder / MANIFEST}: lists no teachers; {_REMEDY}")
    example_ids, predictions, variances = read_scored_rows(folder, _REMEDY, VARIANCES in manifest["files"])
    if predictions.ndim != 2 or not len(predictions) == len(example_ids) == manifest.get("examples"):
        raise UserError(f"{folder}: {len(example_ids)} ids, predictions {list(predictions.shape)}; {_REMEDY}")
    if variances is not None and variances.shape != (len(example_ids),):
        raise UserError(f"{folder / VARIANCES}: one number per example is expected; {_REMEDY}")
    for name, array in ((PREDICTIONS, predictions), (VARIANCES, variances)):
        if array is not None and not _is_finite(array):
            raise UserError(f"{folder / name}: numbers must be finite; {_REMEDY}")
    targets = SoftTargets(folder, example_ids, predictions, manifest, variances)
    if targets.places.has_duplicates():
        raise UserError(f"{folder / EXAMPLE_IDS}: duplicate id; {_REMEDY}")
    return targets


def _is_finite(array: np.ndarray) -> bool:
    starts = range(0, len(array), _ROWS_AT_ONCE)
    return array.dtype.kind == "f" and all(np.isfinite(array[start : start + _ROWS_AT_ONCE]).all() for start in starts)


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


def join_soft_targets(targets: SoftTargets, task: Task, encoded: EncodedSplit, rows: np.ndarray) -> np.ndarray:
    """Returns the teacher logits of some rows of a training split, float32 [rows, num_outputs], joined by example id.

    Raises:
        UserError: The soft targets were made from other data or other labels, or lack an example.
    """
    joined = targets.predictions[join_positions(targets, task, encoded, rows)]
    return task.kind_object.to_logits(joined).astype(np.float32)


def join_positions(
    targets: SoftTargets, task: Task, encoded: EncodedSplit | ScoredSplit, rows: np.ndarray
) -> np.ndarray:
    """Returns the indices of the soft targets of some rows, int64 [rows]; errors are those of `join_soft_targets`."""
    given, needed = targets.manifest, _identity(task, encoded)
    differing = [field for field in needed if given.get(field) != needed[field]]
    if differing:
        diff = "; ".join(f"{field}: soft targets {given.get(field)}, training {needed[field]}" for field in differing)
        raise UserError(f"{targets.folder}: soft targets of another data set or task ({diff}); run mtdnn score on it")
    if targets.predictions.shape[1] != task.num_outputs:
        raise UserError(
            f"{targets.folder}: {targets.predictions.shape[1]} numbers per example, task {task.name} has "
            f"{task.num_outputs}; {_REMEDY}"
        )
    return _positions(targets, encoded, rows)


def join_variance_weights(targets: SoftTargets, encoded: EncodedSplit, rows: np.ndarray) -> np.ndarray:
    """Returns the `variance_weights` of some rows, by the mean variance of all soft targets of the split.

    Refuses soft targets of one teacher, or without variances.
    """
    teachers = targets.teachers
    if targets.variances is None or teachers < 2:
        raise UserError(
            f"{targets.folder}: --distill_variance_weighting needs soft targets of two or more teachers with their "
            f"variance, got {teachers}{' without' if targets.variances is None else ''}; run mtdnn score again"
        )
    mean = float(targets.variances.mean(dtype=np.float64))
    return variance_weights(targets.variances[_positions(targets, encoded, rows)], mean)


def _positions(targets: SoftTargets, encoded: EncodedSplit | ScoredSplit, rows: np.ndarray) -> np.ndarray:
    """Returns the indices of the soft targets of some rows of a split."""
    wanted = TakenTexts(encoded.example_ids, rows)
    found = targets.places.of(wanted)
    missing = np.flatnonzero(found < 0)
    if len(missing):
        raise UserError(
            f"{targets.folder}: no soft target for {len(missing)} of {len(wanted)} examples, "
            f"the first: {', '.join(wanted[int(index)] for index in missing[:5])}"
        )
    return found
