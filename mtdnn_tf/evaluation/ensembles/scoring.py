"""Scoring data with teachers, once, offline (1904.09482 sec. 3)."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from mtdnn_tf.data.encoding import TaskData
from mtdnn_tf.data.folds import Fold
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
from mtdnn_tf.evaluation.runs import RunPredictions, predict_each_run
from mtdnn_tf.locks import locked_path
from mtdnn_tf.manifests import MANIFEST
from mtdnn_tf.modeling.checkpoints.model_folder import model_fingerprint, read_fold, read_tasks
from mtdnn_tf.tasks.task import TRAIN, Task


def is_scored_by(store: Path, runs: Sequence[Path]) -> bool:
    """Returns whether a folder holds soft targets that are the mean probabilities, or scores, of these runs."""
    if not (store / MANIFEST).is_file():
        return False
    manifest = read_soft_targets(store).manifest
    expected = [(model_fingerprint(run), 1.0) for run in runs]
    return manifest.get("average") == PROBABILITIES and expected == [
        (teacher["weights_sha256"], teacher["weight"]) for teacher in manifest["teachers"]
    ]


@dataclasses.dataclass(frozen=True)
class Scoring:
    """What is scored, by which teachers, and how their predictions are averaged.

    Attributes:
        runs: Folders of the trained teachers.
        tasks: The tasks; empty for those of the first teacher.
        split: The split to score.
        data: Where the splits are, and the maximum number of tokens if it is not that of each teacher.
        output_dir: Folder of the soft targets, with one subfolder per task and split.
        weights: One weight per teacher; equal weights by default.
        inference: How teachers are run. Defaults to ordinary inference.
        average: Average "probabilities" or "logits"; scores of a regression in both cases.
        fit_weights_on: A labelled split, or several of which each task takes the first that it has: `weights` are
            fitted on half of it, per task.
        train_part: Which rows of a training split are scored; all by default.

    Raises:
        UserError: No teacher is given, weights do not fit the teachers, or a split to fit them on is not accepted.
    """

    runs: Sequence[Path]
    tasks: Sequence[Task]
    split: str
    data: TaskData
    output_dir: Path
    weights: Sequence[float] | None = None
    inference: InferenceSettings = ORDINARY_INFERENCE
    average: str = PROBABILITIES
    fit_weights_on: str | Sequence[str] | None = None
    train_part: Part | None = None

    def __post_init__(self) -> None:
        if not self.runs:
            raise UserError("--teachers takes one or more runs, none given")
        check_weights(self.weights, len(self.runs))
        check_average(self.average)
        if self.split == TRAIN and self.weights is not None:
            check_fold_weights(self.folds, self.weights)

    @functools.cached_property
    def folds(self) -> list[Fold | None]:
        """The fold of the training split that each teacher was trained without; None for none."""
        return [read_fold(run) for run in self.runs]

    @functools.cached_property
    def scored_tasks(self) -> Sequence[Task]:
        """The tasks that are scored."""
        return self.tasks or read_tasks(self.runs[0])

    @functools.cached_property
    def fit_splits(self) -> dict[str, str]:
        """The split that each task's weights are fitted on; none if they are not fitted."""
        return _fit_splits(self.fit_weights_on, self.weights, self.scored_tasks, self.data.source)

    @property
    def splits(self) -> dict[str, list[str]]:
        """The splits that teachers predict, by task."""
        fitted = self.fit_splits
        return {
            task.name: list(dict.fromkeys([self.split, *([fitted[task.name]] if task.name in fitted else [])]))
            for task in self.scored_tasks
        }

    def shards(self) -> ShardedScoring:
        """Returns what all shards of this scoring have in common."""
        return ShardedScoring(
            self.runs,
            self.folds,
            self.scored_tasks,
            self.splits,
            self.data,
            self.output_dir,
            self.inference,
            self.train_part,
        )


def score(scoring: Scoring) -> list[str]:
    """Writes the averaged predictions of teachers as soft targets, one folder per task and split.

    A teacher that was trained without a fold scores only that fold of the training split.

    Args:
        scoring: What is scored, and how.

    Returns:
        Names of the scored tasks.

    Raises:
        UserError: A teacher does not answer a task, teachers of a fold are missing, or weights cannot be fitted.
    """
    per_example = predictions_per_example(scoring.folds) if scoring.split == TRAIN else len(scoring.runs)
    with _alone(scoring):
        predictions, models = predict_each_run(
            scoring.runs,
            scoring.scored_tasks,
            scoring.splits,
            scoring.data,
            scoring.inference,
            scoring.split == TRAIN,
            scoring.train_part,
        )
        return _write(scoring, predictions, [model.fingerprint for model in models], per_example)


def write_shard(scoring: Scoring, shard: Shard) -> list[str]:
    """Writes one of several parts of the teachers' predictions, for `merge_shards`; returns the names of the tasks.

    Args:
        scoring: What is scored. The shard does not depend on weights or average.
        shard: The part.

    Raises:
        UserError: As of `score`, or another process writes this shard.
    """
    if scoring.split == TRAIN:
        predictions_per_example(scoring.folds)
    scoring.shards().write(shard)
    return [task.name for task in scoring.scored_tasks]


def merge_shards(scoring: Scoring, count: int) -> list[str]:
    """Writes what `score` would from the shards that other processes wrote; returns the names of the tasks.

    Args:
        scoring: What is scored, and how.
        count: Number of shards.

    Raises:
        UserError: As of `score`, or a shard is missing, damaged or of another scoring.
    """
    per_example = predictions_per_example(scoring.folds) if scoring.split == TRAIN else len(scoring.runs)
    with _alone(scoring):
        predictions = scoring.shards().merged(count)
        return _write(scoring, predictions, [model_fingerprint(run) for run in scoring.runs], per_example)


def _write(
    scoring: Scoring, predictions: Mapping[str, RunPredictions], fingerprints: Sequence[str], per_example: int
) -> list[str]:
    """Averages the teachers' predictions, by result name, and writes the soft targets of each task."""
    details: dict[str, Any] = {"average": scoring.average}
    if scoring.split == TRAIN and any(scoring.folds):
        details["teachers_per_example"] = per_example
    teachers = [
        {"run": run.name, "weights_sha256": weights_sha256, **_fold_fields(fold)}
        for run, weights_sha256, fold in zip(scoring.runs, fingerprints, scoring.folds)
    ]
    for task in scoring.scored_tasks:
        given, task_details = scoring.weights, details
        if task.name in scoring.fit_splits:
            given, fitted = fit_on_half(predictions[result_name(task, scoring.fit_splits[task.name])], scoring.average)
            task_details = {**details, "fitted_weights": fitted}
        weighted = [
            {**teacher, "weight": 1.0 if given is None else given[number]} for number, teacher in enumerate(teachers)
        ]
        scored = predictions[result_name(task, scoring.split)].combined(given, scoring.average)
        folder = soft_target_folder(scoring.output_dir, task, scoring.split)
        write_soft_targets(folder, task, scored.encoded, scored.predictions, weighted, scored.variances, task_details)
    return [task.name for task in scoring.scored_tasks]


@contextlib.contextmanager
def _alone(scoring: Scoring) -> Iterator[None]:
    """Refuses to score while another process scores into one of the folders."""
    with contextlib.ExitStack() as held:
        for task in scoring.scored_tasks:
            store = soft_target_folder(scoring.output_dir, task, scoring.split)
            held.enter_context(locked_path(store, f"--output_dir {store.parent}, {store.name}"))
        yield


def _fit_splits(
    given: str | Sequence[str] | None, weights: Sequence[float] | None, tasks: Sequence[Task], source: DataSource
) -> dict[str, str]:
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
    return {name: candidates[0] for name, candidates in found.items() if candidates}


def _fold_fields(fold: Fold | None) -> dict[str, Any]:
    return {} if fold is None else {"folds": fold.folds, "held_out_fold": fold.held_out}
