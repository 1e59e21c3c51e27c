"""Scoring data with teachers, once, offline (1904.09482 sec. 3)."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from mtdnn_tf.data.folds import Fold, read_fold
from mtdnn_tf.data.sources.source import DataSource, has_split
from mtdnn_tf.data.subset import Part
from mtdnn_tf.distillation.ensemble import PROBABILITIES, check_average, check_weights
from mtdnn_tf.distillation.soft_targets import read_soft_targets, soft_target_folder, write_soft_targets
from mtdnn_tf.errors import UserError, unknown_name
from mtdnn_tf.evaluation.ensembles.out_of_fold import check_fold_weights, predictions_per_example
from mtdnn_tf.evaluation.ensembles.shards import Shard, ShardedScoring
from mtdnn_tf.evaluation.ensembles.weight_fitting import fit_on_half
from mtdnn_tf.evaluation.measures.average import result_name
from mtdnn_tf.evaluation.predictor import ORDINARY_INFERENCE, InferenceSettings
from mtdnn_tf.evaluation.runs import predict_each_run
from mtdnn_tf.files import MANIFEST
from mtdnn_tf.locks import locked_path
from mtdnn_tf.modeling.checkpoints.model_folder import model_fingerprint, read_tasks
from mtdnn_tf.tasks.task import TRAIN, Task


def is_scored_by(store: Path, runs: Sequence[Path]) -> bool:
    """Returns whether soft targets stand in a folder, and are the mean probabilities, or scores, of these runs."""
    if not (store / MANIFEST).is_file():
        return False
    manifest = read_soft_targets(store).manifest
    expected = [(model_fingerprint(run), 1.0) for run in runs]
    return manifest.get("average") == PROBABILITIES and expected == [
        (teacher["weights_sha256"], teacher["weight"]) for teacher in manifest["teachers"]
    ]


def score(
    runs: Sequence[Path],
    tasks: Sequence[Task],
    split: str,
    source: DataSource,
    cache_dir: Path,
    output_dir: Path,
    weights: Sequence[float] | None = None,
    inference: InferenceSettings = ORDINARY_INFERENCE,
    average: str = PROBABILITIES,
    fit_weights_on: str | Sequence[str] | None = None,
    train_part: Part | None = None,
    shard: Shard | None = None,
    merge_shards: int | None = None,
    max_sequence_length: int | None = None,
) -> list[str]:
    """Writes the averaged predictions of teachers on a split as soft targets, one folder a task and split.

    A teacher that was trained without a fold scores, of the training split, that fold alone. Several processes may
    share the work: each writes a shard, then one merges them.

    Args:
        runs: Folders of the trained teachers.
        tasks: The tasks; empty for those of the first teacher.
        split: The split to score.
        source: Where examples come from.
        cache_dir: Folder of encoded data.
        output_dir: Where the tasks' folders go.
        weights: One weight a teacher; equal by default.
        inference: How teachers are run. Defaults to ordinary inference.
        average: Whether "probabilities" or "logits" are averaged; scores of a regression are.
        fit_weights_on: A labelled split, or several of which each task takes the first that it has: `weights` are
            fitted on one half of it, for each task.
        train_part: Which rows of a training split are scored, as those that a student trains on; all by default.
        shard: The part of the work that is done, and written for the merge instead of soft targets; all by default.
        merge_shards: How many shards are put together instead of predicting anything; none by default.
        max_sequence_length: Longest input, in word pieces; what each teacher was trained on by default.

    Returns:
        Names of the scored tasks.

    Raises:
        UserError: No teacher is given, one does not answer a task, or teachers of a fold are missing; or weights
            cannot be fitted; or a shard is missing, damaged or of another scoring.
    """
    if not runs:
        raise UserError("--teachers takes one or more runs, none given")
    check_weights(weights, len(runs))
    check_average(average)
    folds = [read_fold(run) for run in runs]
    if split == TRAIN and weights is not None:
        check_fold_weights(folds, weights)
    per_example = predictions_per_example(folds) if split == TRAIN else len(runs)
    tasks = tasks or read_tasks(runs[0])
    fit_splits = _fit_splits(fit_weights_on, weights, tasks, source)
    splits = {task.name: list(dict.fromkeys([split, *fit_splits.get(task.name, ())])) for task in tasks}
    sharded = ShardedScoring(
        runs, folds, tasks, splits, source, cache_dir, output_dir, inference, train_part, max_sequence_length
    )
    if shard is not None:
        sharded.write(shard)
        return [task.name for task in tasks]
    with _alone([soft_target_folder(output_dir, task, split) for task in tasks]):
        if merge_shards is not None:
            predictions, fingerprints = sharded.merged(merge_shards), [model_fingerprint(run) for run in runs]
        else:
            predictions, models = predict_each_run(
                runs, tasks, splits, source, cache_dir, inference, split == TRAIN, train_part, max_sequence_length
            )
            fingerprints = [model.fingerprint for model in models]
        details: dict[str, Any] = {"average": average}
        if split == TRAIN and any(folds):
            details["teachers_per_example"] = per_example
        teachers = [
            {"run": run.name, "weights_sha256": weights_sha256, **_fold_fields(fold)}
            for run, weights_sha256, fold in zip(runs, fingerprints, folds)
        ]
        for task in tasks:
            given, task_details = weights, details
            if task.name in fit_splits:
                (fit_split,) = fit_splits[task.name]
                given, fitted = fit_on_half(predictions[result_name(task, fit_split)], average)
                task_details = {**details, "fitted_weights": fitted}
            weighted = [
                {**teacher, "weight": 1.0 if given is None else given[number]}
                for number, teacher in enumerate(teachers)
            ]
            scored = predictions[result_name(task, split)].combined(given, average)
            folder = soft_target_folder(output_dir, task, split)
            write_soft_targets(
                folder, task, scored.encoded, scored.predictions, weighted, scored.variances, task_details
            )
    return [task.name for task in tasks]


@contextlib.contextmanager
def _alone(stores: Sequence[Path]) -> Iterator[None]:
    """Refuses to score while another process scores into one of the folders."""
    with contextlib.ExitStack() as held:
        for store in stores:
            held.enter_context(locked_path(store, f"--output_dir {store.parent}, {store.name}"))
        yield


def _fit_splits(
    given: str | Sequence[str] | None, weights: Sequence[float] | None, tasks: Sequence[Task], source: DataSource
) -> dict[str, tuple[str]]:
    """Returns the split that each task's weights are fitted on; nothing if they are not fitted."""
    splits = (given,) if isinstance(given, str) else tuple(given or ())
    if splits and weights is not None:
        raise UserError("--fit_weights_on makes the weights that --weights gives; give one of them")
    if TRAIN in splits:
        raise UserError(f"--fit_weights_on takes a labelled split that no teacher was trained on, {TRAIN} given")
    found = {task.name: [split for split in splits if has_split(task, split, source)] for task in tasks}
    for task in tasks if splits else ():
        if not found[task.name]:
            accepted = [name for name in task.files if name != TRAIN]
            raise unknown_name(f"split of --fit_weights_on for task {task.name}", ",".join(splits), accepted)
    return {name: (candidates[0],) for name, candidates in found.items() if candidates}


def _fold_fields(fold: Fold | None) -> dict[str, Any]:
    return {} if fold is None else {"folds": fold.folds, "held_out_fold": fold.held_out}
