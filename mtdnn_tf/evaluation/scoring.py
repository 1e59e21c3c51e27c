"""Scoring data with teachers, once, offline (1904.09482 sec. 3)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mtdnn_tf.data.folds import Fold, read_fold
from mtdnn_tf.data.sources import DataSource
from mtdnn_tf.distillation.ensemble import PROBABILITIES, check_average, check_weights
from mtdnn_tf.distillation.soft_targets import soft_target_folder, write_soft_targets
from mtdnn_tf.errors import UserError
from mtdnn_tf.evaluation.out_of_fold import check_fold_weights, predictions_per_example
from mtdnn_tf.evaluation.runs import predict_each_run
from mtdnn_tf.tasks.task import TRAIN, Task


def score(
    runs: Sequence[Path],
    tasks: Sequence[Task],
    split: str,
    source: DataSource,
    cache_dir: Path,
    output_dir: Path,
    weights: Sequence[float] | None = None,
    batch_size: int = 64,
    average: str = PROBABILITIES,
) -> list[str]:
    """Writes the averaged predictions of teachers on a split as soft targets, one folder a task and split.

    A teacher that was trained without a fold scores, of the training split, that fold alone.

    Args:
        runs: Folders of the trained teachers.
        tasks: The tasks; empty for those of the first teacher.
        split: The split to score.
        source: Where examples come from.
        cache_dir: Folder of encoded data.
        output_dir: Where the tasks' folders go.
        weights: One weight a teacher; equal by default.
        batch_size: Examples in a batch. Defaults to 64.
        average: Whether "probabilities" or "logits" are averaged; scores of a regression are.

    Returns:
        Names of the scored tasks.

    Raises:
        UserError: No teacher is given, one does not answer a task, or teachers of a fold are missing.
    """
    if not runs:
        raise UserError("--teachers takes one or more runs, none given")
    check_weights(weights, len(runs))
    check_average(average)
    folds = [read_fold(run) for run in runs]
    if split == TRAIN and weights is not None:
        check_fold_weights(folds, weights)
    predictions, models = predict_each_run(runs, tasks, [split], source, cache_dir, batch_size, split == TRAIN)
    details: dict[str, Any] = {"average": average}
    if split == TRAIN and any(folds):
        details["teachers_per_example"] = predictions_per_example(folds)
    teachers = [
        {
            "run": run.name,
            "weights_sha256": model.fingerprint,
            "weight": 1.0 if weights is None else weights[index],
            **_fold_fields(fold),
        }
        for index, (run, model, fold) in enumerate(zip(runs, models, folds))
    ]
    for by_run in predictions.values():
        task, scored = by_run.encoded.task, by_run.combined(weights, average)
        folder = soft_target_folder(output_dir, task, split)
        write_soft_targets(folder, task, scored.encoded, scored.predictions, teachers, scored.variances, details)
    return [by_run.encoded.task.name for by_run in predictions.values()]


def _fold_fields(fold: Fold | None) -> dict[str, Any]:
    return {} if fold is None else {"folds": fold.folds, "held_out_fold": fold.held_out}
