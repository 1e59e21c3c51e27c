"""Transfer data: splits without gold labels that a student learns from its teachers alone."""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping, Sequence

import numpy as np

from mtdnn_tf.data.encoding import EncodedData
from mtdnn_tf.data.sources.source import has_split
from mtdnn_tf.distillation.soft_targets import SoftTargets, result_key
from mtdnn_tf.errors import UserError, unknown_name
from mtdnn_tf.tasks.task import TRAIN, Task
from mtdnn_tf.training.config import TrainingConfig
from mtdnn_tf.training.inputs.training_inputs import TaskInputs, task_inputs

_log = logging.getLogger("absl")


def check_settings(config: TrainingConfig, tasks: Sequence[Task], taught: Collection[str]) -> None:
    """Refuses settings of distillation that would have no effect.

    Args:
        config: The settings.
        tasks: The tasks that are trained.
        taught: Names of those that have soft targets.

    Raises:
        UserError: No task has a transfer split, or none of those taught is a regression where its examples are to be
            weighted.
    """
    for split in config.distillation.transfer_splits:
        if not any(has_split(task, split, config.data.source) for task in tasks):
            declared = {split for task in tasks for split in task.files} - {TRAIN}
            raise unknown_name("split of `transfer_splits`", split, declared)
    weighted = any(task.kind_object.predicts_scores for task in tasks if task.name in taught)
    if config.distillation.variance_weighting and not weighted:
        raise UserError(
            "`distill_variance_weighting` weights examples of regression; "
            f"soft targets of {', '.join(sorted(taught))} given"
        )


def check_soft_targets(config: TrainingConfig, tasks: Sequence[Task], targets: Mapping[str, SoftTargets]) -> None:
    """Refuses soft targets, and settings of distillation, that would have no effect.

    Raises:
        UserError: As of `check_settings`; or soft targets are needed, or are of a split that is not trained on.
    """
    for name in ("transfer_splits", "distill_variance_weighting"):
        if config.values()[name] and not targets:
            raise UserError(f"`{name}` needs `soft_targets`, got none")
    check_settings(config, tasks, {key.partition("/")[0] for key in targets})
    used = {result_key(task.name, split) for task in tasks for split in (TRAIN, *config.distillation.transfer_splits)}
    for key, target in targets.items():
        if key not in used:
            split = target.manifest.get("split")
            raise UserError(
                f"{target.folder}: soft targets of split {split}, which is not trained on; "
                f"`transfer_splits={split}` trains on it"
            )


def transfer_inputs(
    config: TrainingConfig, task: Task, data: EncodedData, targets: Mapping[str, SoftTargets]
) -> list[TaskInputs]:
    """Returns what a task trains on beside its training split: its transfer splits that have soft targets.

    Gold labels that such a split may have are not used. Splits without soft targets are skipped and their rows counted.
    """
    parts = []
    for split in config.distillation.transfer_splits:
        if not has_split(task, split, data.source):
            continue
        encoded, target = data.split(task, split), targets.get(result_key(task.name, split))
        if target is None:
            _log.info("%s %s: skipped %d row(s), there are no soft targets of them", task.name, split, len(encoded))
            continue
        rows, weighting = np.arange(len(encoded)), config.distillation.variance_weighting
        parts.append(task_inputs(task, encoded, rows, target, weighting, use_gold=False))
        _log.info("%s %s: %d row(s) are learned from soft targets alone", task.name, split, len(encoded))
    return parts
