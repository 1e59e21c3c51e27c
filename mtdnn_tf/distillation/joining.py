"""Joining soft targets to the rows of a split by their ids: where each row's are, and a look-up for batches."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np

from mtdnn_tf.data.encoded_split import EncodedSplit
from mtdnn_tf.data.streaming.joined_arrays import AnyArray
from mtdnn_tf.data.streaming.text_lines import TakenTexts
from mtdnn_tf.distillation.ensemble import variance_weights
from mtdnn_tf.distillation.soft_targets import REMEDY, ScoredSplit, SoftTargets, data_identity
from mtdnn_tf.errors import UserError
from mtdnn_tf.kinds.base import Kind
from mtdnn_tf.tasks.task import Task

_ROWS_AT_ONCE = 1 << 16


@dataclasses.dataclass(frozen=True)
class TeacherLogits:
    """The teacher logits of rows, float32 [rows, num_outputs], which stay on disk until a batch needs them.

    Attributes:
        kind: Kind of the task.
        num_outputs: Numbers per row.
        parts: Of rows one after the other, the predictions where theirs are and the places there, uint [rows]; None in
            place of predictions for rows without soft targets, whose logits are 0.
    """

    kind: Kind
    num_outputs: int
    parts: tuple[tuple[AnyArray | None, np.ndarray], ...]

    @classmethod
    def none(cls, task: Task, rows: int) -> TeacherLogits:
        """Returns the logits of so many rows without soft targets."""
        return cls(task.kind_object, task.num_outputs, ((None, np.zeros(rows, np.uint8)),))

    @classmethod
    def of(cls, task: Task, predictions: AnyArray, places: np.ndarray) -> TeacherLogits:
        """Returns the logits of the predictions at some places, int64 [rows]."""
        # Four bytes per row, but for more than four billion predictions.
        small = places.astype(np.min_scalar_type(max(len(predictions), 1 << 16)))
        return cls(task.kind_object, task.num_outputs, ((predictions, small),))

    def __len__(self) -> int:
        return sum(len(places) for _, places in self.parts)

    def __getitem__(self, rows: np.ndarray) -> np.ndarray:
        """Returns the logits of some rows, by their numbers."""
        found = np.zeros((len(rows), self.num_outputs), np.float32)
        start = 0
        for predictions, places in self.parts:
            within = (rows >= start) & (rows < start + len(places))
            if predictions is not None and within.any():
                own = predictions[places[rows[within] - start]]
                found[within] = self.kind.to_logits(own).astype(np.float32)
            start += len(places)
        return found

    def take(self, rows: np.ndarray) -> TeacherLogits:
        """Returns those of some rows of a single part."""
        ((predictions, places),) = self.parts
        return dataclasses.replace(self, parts=((predictions, places[rows]),))

    def followed_by(self, others: Sequence[TeacherLogits]) -> TeacherLogits:
        """Returns these, and those of further rows of the task after them."""
        return dataclasses.replace(self, parts=tuple(part for logits in (self, *others) for part in logits.parts))

    def largest(self) -> float:
        """Returns the largest absolute logit."""
        starts = range(0, len(self), _ROWS_AT_ONCE)
        blocks = (np.arange(start, min(start + _ROWS_AT_ONCE, len(self))) for start in starts)
        return max((float(np.abs(self[rows]).max()) for rows in blocks), default=0.0)


def join_soft_targets(targets: SoftTargets, task: Task, encoded: EncodedSplit, rows: np.ndarray) -> np.ndarray:
    """Returns the teacher logits of some rows of a training split, float32 [rows, num_outputs], joined by example id.

    Raises:
        UserError: The soft targets were made from other data or other labels, or lack an example.
    """
    places = join_positions(targets, task, encoded, rows)
    return TeacherLogits.of(task, targets.rows.predictions, places)[np.arange(len(rows))]


def join_positions(
    targets: SoftTargets, task: Task, encoded: EncodedSplit | ScoredSplit, rows: np.ndarray
) -> np.ndarray:
    """Returns the indices of the soft targets of some rows, int64 [rows]; errors are those of `join_soft_targets`."""
    given, needed = targets.manifest, data_identity(task, encoded)
    differing = [field for field in needed if given.get(field) != needed[field]]
    if differing:
        diff = "; ".join(f"{field}: soft targets {given.get(field)}, training {needed[field]}" for field in differing)
        raise UserError(f"{targets.folder}: soft targets of another data set or task ({diff}); run mtdnn score on it")
    if (width := targets.rows.predictions.shape[1]) != task.num_outputs:
        raise UserError(
            f"{targets.folder}: {width} numbers per example, task {task.name} has {task.num_outputs}; {REMEDY}"
        )
    wanted = TakenTexts(encoded.example_ids, rows)
    found = targets.places.of(wanted)
    targets.release_places()
    missing = np.flatnonzero(found < 0)
    if len(missing):
        raise UserError(
            f"{targets.folder}: no soft target for {len(missing)} of {len(wanted)} examples, "
            f"the first: {', '.join(wanted[int(index)] for index in missing[:5])}"
        )
    return found


def join_variance_weights(targets: SoftTargets, positions: np.ndarray) -> np.ndarray:
    """Returns the `variance_weights` of rows at `join_positions`, by the mean variance of all rows of the split.

    Refuses soft targets of one teacher, or without variances.
    """
    teachers, variances = targets.teachers, targets.variances
    if variances is None or teachers < 2:
        raise UserError(
            f"{targets.folder}: --distill_variance_weighting needs soft targets of two or more teachers with their "
            f"variance, got {teachers}{' without' if variances is None else ''}; run mtdnn score again"
        )
    # All at once: a sum in parts is rounded otherwise.
    return variance_weights(variances[positions], float(variances.mean(dtype=np.float64)))
