"""Scoring data with teachers, once, offline (1904.09482 sec. 3)."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from mtdnn_tf.data.encoding import TaskData
from mtdnn_tf.data.folds import Fold
from mtdnn_tf.data.subset import Part
from mtdnn_tf.distillation.ensemble import PROBABILITIES, check_average, check_weights
from mtdnn_tf.distillation.soft_targets import (
    is_average_of,
    read_soft_targets,
    run_record,
    soft_target_folder,
    write_soft_targets,
)
from mtdnn_tf.errors import UserError, unknown_name
from mtdnn_tf.evaluation.ensembles.examples_to_label import Selection, write_examples_to_label
from mtdnn_tf.evaluation.ensembles.weight_fitting import fit_on_half
from mtdnn_tf.evaluation.measures.average import result_name
from mtdnn_tf.evaluation.predictor import ORDINARY_INFERENCE, InferenceSettings
from mtdnn_tf.evaluation.runs import RunPredictions, check_fold_weights, predict_each_run, predictions_per_example
from mtdnn_tf.locks import locked_path
from mtdnn_tf.manifests import MANIFEST
from mtdnn_tf.modeling.checkpoints.model_folder import model_fingerprint, read_fold, read_tasks
from mtdnn_tf.tasks.task import TRAIN, Task


def is_scored_by(store: Path, runs: Sequence[Path]) -> bool:
    """Returns whether a folder holds soft targets that are the mean probabilities, or scores, of these runs."""
    if not (store / MANIFEST).is_file():
        return False
    targets = read_soft_targets(store)
    is_mean = targets.manifest.get("average") == PROBABILITIES
    return is_mean and is_average_of(targets, [model_fingerprint(run) for run in runs])


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
        to_label: Which examples are also written to be labelled, to `<task>-<split>.<measure>.jsonl` in `output_dir`;
            none by default.

    Raises:
        UserError: No teacher is given, weights do not fit the teachers, a split to fit them on is not accepted, or a
            task has no such measure.
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
    to_label: Selection | None = None

    def __post_init__(self) -> None:
        if not self.runs:
            raise UserError("--teachers must be one or more runs, got none")
        check_weights(self.weights, len(self.runs))
        check_average(self.average)
        if self.split == TRAIN and self.weights is not None:
            check_fold_weights(self.folds, self.weights)
        if self.to_label:
            for task in self.scored_tasks:
                self.to_label.check(task, len(self.runs))

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
        splits = (self.fit_weights_on,) if isinstance(self.fit_weights_on, str) else tuple(self.fit_weights_on or ())
        if splits and self.weights is not None:
            raise UserError("--fit_weights_on makes the weights that --weights gives; give one of them")
        if TRAIN in splits:
            raise UserError(f"--fit_weights_on must be a labelled split that no teacher was trained on, got {TRAIN}")
        found = {}
        for task in self.scored_tasks if splits else ():
            candidates = [split for split in splits if self.data.source.has_split(task, split)]
            if not candidates:
                accepted = [name for name in task.files if name != TRAIN]
                raise unknown_name(f"split of --fit_weights_on for task {task.name}", ",".join(splits), accepted)
            found[task.name] = candidates[0]
        return found

    @property
    def splits(self) -> dict[str, list[str]]:
        """The splits that teachers predict, by task."""
        return {
            task.name: list(dict.fromkeys([self.split, self.fit_splits.get(task.name, self.split)]))
            for task in self.scored_tasks
        }

    def check_folds(self) -> int:
        """Number of teachers that score each example; refuses folds of the training split without a teacher."""
        return predictions_per_example(self.folds) if self.split == TRAIN else len(self.runs)

    def write(self, predict: Callable[[], Mapping[str, RunPredictions]]) -> list[str]:
        """Writes soft targets of `predict`, by result name, unless another process does; returns the tasks' names."""
        per_example = self.check_folds()
        with contextlib.ExitStack() as held:
            for task in self.scored_tasks:
                store = soft_target_folder(self.output_dir, task, self.split)
                held.enter_context(locked_path(store, f"--output_dir {store.parent}, {store.name}"))
            predictions = predict()
            details: dict[str, Any] = {"average": self.average}
            if self.split == TRAIN and any(self.folds):
                details["teachers_per_example"] = per_example
            for task in self.scored_tasks:
                self._write_task(task, predictions, details)
        return [task.name for task in self.scored_tasks]

    def _write_task(self, task: Task, predictions: Mapping[str, RunPredictions], details: dict[str, Any]) -> None:
        weights = self.weights
        if task.name in self.fit_splits:
            weights, fitted = fit_on_half(predictions[result_name(task, self.fit_splits[task.name])], self.average)
            details = {**details, "fitted_weights": fitted}
        teachers = [
            run_record(run.name, model_fingerprint(run), weight, **_fold_details(fold))
            for run, fold, weight in zip(self.runs, self.folds, weights or [1.0] * len(self.runs))
        ]
        by_run = predictions[result_name(task, self.split)]
        scored = by_run.combined(weights, self.average)
        folder = soft_target_folder(self.output_dir, task, self.split)
        write_soft_targets(folder, task, scored.encoded, scored.predictions, teachers, scored.variances, details)
        if self.to_label:
            path, names = self.output_dir / self.to_label.file_name(task, self.split), [run.name for run in self.runs]
            write_examples_to_label(path, self.to_label, self.data.source, names, by_run, scored, weights)


def score(scoring: Scoring) -> list[str]:
    """Writes the averaged predictions of teachers as soft targets, one folder per task and split.

    A teacher that was trained without a fold scores only that fold of the training split. Returns the names of the
    scored tasks.

    Raises:
        UserError: A teacher does not answer a task, teachers of a fold are missing, or weights cannot be fitted.
    """
    how = (scoring.data, scoring.inference, scoring.split == TRAIN, scoring.train_part)
    return scoring.write(lambda: predict_each_run(scoring.runs, scoring.scored_tasks, scoring.splits, *how))


def _fold_details(fold: Fold | None) -> dict[str, int]:
    return {} if fold is None else {"folds": fold.folds, "held_out_fold": fold.held_out}
