"""Scoring data with teachers, once, offline (1904.09482 sec. 3)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from mtdnn_tf.data.sources import DataSource
from mtdnn_tf.distillation.soft_targets import read_soft_targets, soft_target_folder, write_soft_targets
from mtdnn_tf.errors import UserError
from mtdnn_tf.evaluation.runs import predict_with_runs
from mtdnn_tf.files import MANIFEST
from mtdnn_tf.modeling.model_folder import model_fingerprint
from mtdnn_tf.tasks.task import Task


def is_scored_by(store: Path, runs: Sequence[Path]) -> bool:
    """Returns whether soft targets stand in a folder, and are those of these runs."""
    if not (store / MANIFEST).is_file():
        return False
    teachers = read_soft_targets(store).manifest["teachers"]
    return [teacher["weights_sha256"] for teacher in teachers] == [model_fingerprint(run) for run in runs]


def score(
    runs: Sequence[Path],
    tasks: Sequence[Task],
    split: str,
    source: DataSource,
    cache_dir: Path,
    output_dir: Path,
    weights: Sequence[float] | None = None,
    batch_size: int = 64,
) -> list[str]:
    """Writes the averaged predictions of teachers on a split as soft targets, one folder a task and split.

    Args:
        runs: Folders of the trained teachers.
        tasks: The tasks; empty for those of the first teacher.
        split: The split to score.
        source: Where examples come from.
        cache_dir: Folder of encoded data.
        output_dir: Where the tasks' folders go.
        weights: One weight a teacher; equal by default.
        batch_size: Examples in a batch. Defaults to 64.

    Returns:
        Names of the scored tasks.

    Raises:
        UserError: No teacher is given, or one does not answer a task.
    """
    if not runs:
        raise UserError("--teachers takes one or more runs, none given")
    predictions, models = predict_with_runs(runs, tasks, [split], source, cache_dir, batch_size, weights)
    teachers = [
        {
            "run": run.name,
            "weights_sha256": model.fingerprint,
            "weight": 1.0 if weights is None else weights[index],
        }
        for index, (run, model) in enumerate(zip(runs, models))
    ]
    for scored in predictions.values():
        task = scored.encoded.task
        folder = soft_target_folder(output_dir, task, split)
        write_soft_targets(folder, task, scored.encoded, scored.predictions, teachers, scored.variances)
    return [scored.encoded.task.name for scored in predictions.values()]
