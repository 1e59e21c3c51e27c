"""What each task trains on: rows of its splits with gold labels, soft targets, or both."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Collection, Mapping, Sequence

import numpy as np

from mtdnn_tf.data.batching.packed_batches import smallest_ints
from mtdnn_tf.data.encoded_split import EncodedSplit, join_splits
from mtdnn_tf.data.encoding import EncodedData
from mtdnn_tf.data.folds import Fold
from mtdnn_tf.distillation.joining import TeacherLogits, join_positions, join_variance_weights
from mtdnn_tf.distillation.soft_targets import SoftTargets, result_key
from mtdnn_tf.errors import UserError, unknown_name
from mtdnn_tf.tasks.task import TRAIN, Task
from mtdnn_tf.training.config import TrainingConfig

_OF_ROWS = ("gold", "has_gold", "has_teacher", "teacher_weight", "weight")
_log = logging.getLogger("absl")


@dataclasses.dataclass(frozen=True)
class TaskInputs:
    """What one task trains on."""

    task: Task
    encoded: EncodedSplit
    rows: np.ndarray  # Indices of the split's rows that are trained on.
    gold: np.ndarray  # float32 [rows, ...], as `Kind.gold` returns it; 0 where there is none.
    has_gold: np.ndarray  # bool [rows]
    teacher_logits: TeacherLogits  # float32 [rows, num_outputs]; zeros without soft targets.
    has_teacher: np.ndarray  # bool [rows]
    teacher_weight: np.ndarray  # float32 [rows]; multiplies the distilled loss.
    weight: np.ndarray  # float32 [rows]; multiplies the whole loss.
    held_out: int = 0  # Number of rows that are left out with a fold.


def task_inputs(
    task: Task,
    encoded: EncodedSplit,
    rows: np.ndarray,
    soft_targets: SoftTargets | None,
    variance_weighting: bool = False,
    use_gold: bool = True,
) -> TaskInputs:
    """Joins rows of a split with their gold labels and soft targets; rows with neither are left out and counted."""
    rows = smallest_ints(rows)
    gold, has_gold = task.kind_object.gold(task, encoded.labels[rows], encoded.queries_of(rows))
    has_gold &= use_gold
    teacher_weight = None
    if soft_targets is None:
        if skipped := np.count_nonzero(~has_gold):
            label = "gold label" if encoded.queries is None else "gold label (a query with a relevant candidate)"
            where = f"{task.name} {encoded.split}"
            _log.info("%s: skipped %d row(s) with neither %s nor soft target", where, skipped, label)
            rows, gold, has_gold = (part[has_gold] for part in (rows, gold, has_gold))
        teacher_logits = TeacherLogits.none(task, len(rows))
    else:
        positions = join_positions(soft_targets, task, encoded, rows)
        teacher_logits = TeacherLogits.of(task, soft_targets.rows.predictions, positions)
        if variance_weighting and task.kind_object.predicts_scores:
            teacher_weight = join_variance_weights(soft_targets, positions)
    if not len(rows):
        raise task.refused(f"split {encoded.split} has no row with a gold label, and there are no soft targets")
    gold = gold.astype(np.float32)
    gold[~has_gold] = 0
    weight = _repeated(1, len(rows)) if encoded.weights is None else np.asarray(encoded.weights[rows])
    if not weight.any():
        raise task.refused(f"column {task.weight!r} is 0 in every row of split {encoded.split} that is trained on")
    return TaskInputs(
        task,
        encoded,
        rows,
        gold,
        has_gold,
        teacher_logits,
        has_teacher=np.broadcast_to(soft_targets is not None, len(rows)),
        teacher_weight=_repeated(1, len(rows)) if teacher_weight is None else teacher_weight,
        weight=weight,
    )


def _repeated(value: float, rows: int) -> np.ndarray:
    """Returns an array of one value, float32, that takes no memory per row."""
    return np.broadcast_to(np.float32(value), rows)


def _join(parts: Sequence[TaskInputs]) -> TaskInputs:
    """Returns what a task trains on in several splits as one; the first part is of the training split."""
    if len(parts) == 1:
        return parts[0]
    starts = np.cumsum([0, *(len(part.encoded) for part in parts)])
    return dataclasses.replace(
        parts[0],
        encoded=join_splits([part.encoded for part in parts]),
        rows=np.concatenate([part.rows.astype(np.int64) + start for part, start in zip(parts, starts)]),
        teacher_logits=parts[0].teacher_logits.followed_by([part.teacher_logits for part in parts[1:]]),
        **{name: np.concatenate([getattr(part, name) for part in parts]) for name in _OF_ROWS},
    )


def hold_out(inputs: TaskInputs, fold: Fold | None) -> TaskInputs:
    """Returns what a task trains on, of its training split, without the rows of a fold, which are counted."""
    if fold is None:
        return inputs
    encoded = inputs.encoded
    kept = ~fold.contains(encoded.example_ids, encoded.queries)[inputs.rows]
    if not kept.any():
        options = f"`folds={fold.folds}` `held_out_fold={fold.held_out}`"
        raise encoded.task.refused(f"{options} leaves none of its {len(kept)} training rows")
    held_out, what = int((~kept).sum()), f"fold {fold.held_out} of {fold.folds}"
    _log.info("%s %s: %s is held out, %d row(s)", encoded.task.name, encoded.split, what, held_out)
    parts = {name: getattr(inputs, name)[kept] for name in ("rows", *_OF_ROWS)}
    teacher_logits = inputs.teacher_logits.take(np.flatnonzero(kept))
    return dataclasses.replace(inputs, held_out=held_out, teacher_logits=teacher_logits, **parts)


def check_settings(config: TrainingConfig, tasks: Sequence[Task], taught: Collection[str]) -> None:
    """Refuses settings of distillation that would have no effect on the tasks, given names of those with teachers."""
    for split in config.distillation.transfer_splits:
        if not any(config.data.source.has_split(task, split) for task in tasks):
            declared = {split for task in tasks for split in task.files} - {TRAIN}
            raise unknown_name("split of `transfer_splits`", split, declared)
    weighted = any(task.kind_object.predicts_scores for task in tasks if task.name in taught)
    if config.distillation.variance_weighting and not weighted:
        given = ", ".join(sorted(taught))
        raise UserError(f"`distill_variance_weighting` needs soft targets of a regression, got {given}")


def used_soft_targets(
    config: TrainingConfig, tasks: Sequence[Task], targets: Mapping[str, SoftTargets]
) -> dict[str, SoftTargets]:
    """Returns the soft targets, by task and split, of splits that are trained on; refuses settings without effect."""
    for name in ("transfer_splits", "distill_variance_weighting"):
        if config.values()[name] and not targets:
            raise UserError(f"`{name}` needs `soft_targets`, got none")
    splits = (TRAIN, *config.distillation.transfer_splits)
    keys = {result_key(task.name, split) for task in tasks for split in splits}
    used = {key: target for key, target in targets.items() if key in keys}
    unused = sorted({str(target.manifest.get("split")) for key, target in targets.items() if key not in keys})
    if targets and not used:
        remedy = f"`transfer_splits={','.join(unused)}` trains on it"
        raise UserError(f"`soft_targets` are only of split {', '.join(unused)}, which is not trained on; {remedy}")
    for split in unused:
        _log.info("soft targets of split %s are not used; --transfer_splits=%s trains on it", split, split)
    check_settings(config, tasks, {key.partition("/")[0] for key in used})
    return used


def _transfer_inputs(
    config: TrainingConfig, task: Task, data: EncodedData, targets: Mapping[str, SoftTargets]
) -> list[TaskInputs]:
    """Returns what a task trains on beside its training split: soft targets, not gold labels, of transfer splits."""
    parts = []
    for split in config.distillation.transfer_splits:
        if not data.source.has_split(task, split):
            continue
        encoded, target = data.split(task, split), targets.get(result_key(task.name, split))
        if target is None:
            _log.info("%s %s: skipped %d row(s) without soft targets", task.name, split, len(encoded))
            continue
        rows, weighting = np.arange(len(encoded)), config.distillation.variance_weighting
        parts.append(task_inputs(task, encoded, rows, target, weighting, use_gold=False))
        _log.info("%s %s: %d row(s) are learned from soft targets only", task.name, split, len(encoded))
    return parts


def inputs_of_tasks(
    config: TrainingConfig, tasks: Sequence[Task], data: EncodedData, targets: Mapping[str, SoftTargets]
) -> list[TaskInputs]:
    """Returns what each task trains on, given soft targets by task and split."""
    inputs = []
    for task in tasks:
        encoded = data.split(task, TRAIN)
        rows, weighting = config.part.rows(len(encoded), encoded.queries), config.distillation.variance_weighting
        own = hold_out(task_inputs(task, encoded, rows, targets.get(task.name), weighting), config.folds.fold)
        inputs.append(_join([own, *_transfer_inputs(config, task, data, targets)]))
    return inputs
