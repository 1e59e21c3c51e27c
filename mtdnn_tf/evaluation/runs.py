"""Predictions of trained runs, alone or averaged as an ensemble."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple, overload

import numpy as np
import tensorflow as tf

from mtdnn_tf.data.encoded_split import EncodedSplit
from mtdnn_tf.data.encoding import TaskData
from mtdnn_tf.data.folds import Fold
from mtdnn_tf.data.streaming.disk_arrays import disk_array, row_blocks
from mtdnn_tf.data.streaming.split_rows import SplitRows
from mtdnn_tf.data.subset import Part
from mtdnn_tf.distillation.ensemble import PROBABILITIES, combined_predictions
from mtdnn_tf.errors import UserError, unknown_name
from mtdnn_tf.evaluation.measures.average import result_name
from mtdnn_tf.evaluation.measures.metrics import compute_metrics
from mtdnn_tf.evaluation.predictions import Predictions
from mtdnn_tf.evaluation.predictor import ORDINARY_INFERENCE, InferenceSettings, Predictor
from mtdnn_tf.modeling.checkpoints.model_folder import load_model, read_fold, read_tasks, read_tokenizer
from mtdnn_tf.tasks.task import TRAIN, Task

_log = logging.getLogger("absl")


class SplitPredictions(NamedTuple):
    """What one or more runs predict on a split."""

    encoded: EncodedSplit | SplitRows  # As the first run's tokenizer encodes it, or without tokens.
    predictions: np.ndarray  # Float32 [examples, num_outputs]: averaged probabilities or scores.
    variances: np.ndarray | None = None  # Float32 [examples]: around the average; None if it was not computed.

    def rows(self) -> Predictions:
        """Returns the predictions with the ids of their examples."""
        return Predictions(self.encoded.task, self.encoded.split, self.encoded.example_ids, self.predictions)

    def metrics(self) -> dict[str, float]:
        """Returns the task's metrics against the gold labels."""
        return compute_metrics(self.encoded.task, self.predictions, self.encoded.labels, self.encoded.queries)


class RunPredictions(NamedTuple):
    """What each of several runs predicts on a split."""

    encoded: EncodedSplit | SplitRows  # As the first run's tokenizer encodes it, or without tokens.
    by_run: list[np.ndarray]  # Float32 [examples, num_outputs]: probabilities or scores, 0 where a run does not count.
    counted: np.ndarray | None = None  # Which runs count for each example, bool [runs, examples]; None if all do.
    folder: Path | None = None  # Where averages are in temporary files; None for in memory.

    def rows_of(self, run: int) -> np.ndarray:
        """Returns the numbers of the rows that a run counts for."""
        return np.arange(len(self.encoded)) if self.counted is None else np.flatnonzero(self.counted[run])

    def add(self, rows: np.ndarray, values: np.ndarray) -> None:
        """Adds the next run's predictions, [rows, num_outputs], on the rows that it counts for."""
        if self.counted is not None:
            values, predicted = np.zeros((len(self.encoded), values.shape[1]), np.float32), values
            values[rows] = predicted
        self.by_run.append(values)

    def combined(self, weights: Sequence[float] | None = None, average: str = PROBABILITIES) -> SplitPredictions:
        """Returns the mean of the runs' "probabilities" or "logits" (always of scores), and the runs' variance.

        `weights` are one per run, equal by default.
        """
        encoded, kind, counted = self.encoded, self.encoded.task.kind_object, self.counted
        averaged = disk_array(self.folder, self.by_run[0].shape)
        variances = disk_array(self.folder, averaged.shape[:1])
        for block in query_blocks(encoded):
            of_block = None if counted is None else counted[:, block]
            queries = None if encoded.queries is None else encoded.queries[block]
            given = ([run[block] for run in self.by_run], weights, average, of_block, queries)
            averaged[block], variances[block] = combined_predictions(kind, *given)
        return SplitPredictions(encoded, averaged, variances)


def query_blocks(encoded: EncodedSplit | SplitRows) -> list[slice]:
    """Returns the `row_blocks` of a split; the rows of a ranking, whose queries are whole, are one block."""
    return [slice(0, len(encoded))] if encoded.task.kind_object.has_queries else row_blocks(len(encoded))


def predict_each_run(
    runs: Sequence[Path],
    tasks: Sequence[Task],
    splits: Sequence[str] | Mapping[str, Sequence[str]],
    data: TaskData,
    inference: InferenceSettings = ORDINARY_INFERENCE,
    out_of_fold: bool = False,
    train_part: Part | None = None,
) -> dict[str, RunPredictions]:
    """Returns what every run predicts on splits, by result name; each run is read once.

    Args:
        runs: Folders of trained runs; each encodes the texts with its own word pieces.
        tasks: The tasks; empty for those of the first run.
        splits: The splits, or those of each task by its name; empty for each task's own development splits.
        data: Where the splits are, and the maximum number of tokens if it is not that of each run.
        inference: How models are run. Defaults to ordinary inference.
        out_of_fold: Whether a run that was trained without a fold counts, on the training split, for that fold alone.
            Defaults to False: every run counts for every row.
        train_part: Which rows of a training split are predicted; all by default.

    Raises:
        UserError: A run does not answer a task, was trained on other labels, or runs of a fold are missing.
    """
    # Before the first prediction: it may take hours.
    folds = [read_fold(run) if out_of_fold else None for run in runs]
    predictions_per_example(folds)
    tasks = check_runs(runs, tasks, data.max_sequence_length)
    splits_of = {
        task.name: (splits[task.name] if isinstance(splits, Mapping) else splits) or task.evaluation_splits
        for task in tasks
    }
    without = [name for name, given in splits_of.items() if not given]
    if len(without) == len(splits_of):
        raise UserError(f"nothing to predict: no development split of {', '.join(without)}; --split must name a split")
    if without:
        _log.warning("not predicted, because they have no development split: %s", ", ".join(without))
    predictions: dict[str, RunPredictions] = {}
    for number, run in enumerate(runs):
        tf.keras.backend.clear_session()
        with inference.scope():
            loaded = load_model(run)
        predictor = Predictor(loaded.model, inference)
        encoded = data.encoded(loaded.tokenizer, loaded.max_sequence_length)
        for task in tasks:
            for split in splits_of[task.name]:
                name = result_name(task, split)
                rows = part_of_split(encoded.split(task, split), train_part)
                if name not in predictions:
                    predictions[name] = RunPredictions(rows, [], counted_runs(rows, folds))
                known = predictions[name]
                counted_rows = known.rows_of(number)
                known.add(counted_rows, predictor.predict(rows, counted_rows))
    return predictions


def check_runs(runs: Sequence[Path], tasks: Sequence[Task], max_sequence_length: int | None = None) -> Sequence[Task]:
    """Returns the tasks, by default those of the first run; refuses runs of other tasks or shorter sequences."""
    for run in runs:
        trained = {task.name: task for task in read_tasks(run)}
        tasks = tasks or list(trained.values())
        for task in tasks:
            head = trained.get(task.head_task)
            if head is None:
                raise unknown_name(f"task of run {run}", task.head_task, trained)
            differences = task.differences(trained.get(task.name, head))
            if differences:
                raise UserError(
                    f"run {run}: task {task.name} is not the one that was trained: {'; '.join(differences)}. If a file "
                    "has other names for the columns, declare them as `{path: FILE, text: [...], label: ...}`"
                )
        if max_sequence_length is not None and not 8 <= max_sequence_length <= (longest := read_tokenizer(run)[1]):
            raise UserError(
                f"--max_sequence_length must be 8 to {longest}, the length that run {run} was trained on, got "
                f"{max_sequence_length}"
            )
    return tasks


def predictions_per_example(folds: Sequence[Fold | None]) -> int:
    """Returns how many runs count for each row of the training split; refuses runs if those of a fold are missing.

    `folds` are those that each run was trained without; None for a run that counts for all rows.
    """
    counts = Counter(folds)
    per_example, missing = counts[None], []
    for number in sorted({fold.folds for fold in folds if fold}):
        of_folds = [counts[Fold(number, held_out)] for held_out in range(number)]
        per_example += max(of_folds)
        missing += [
            f"{max(of_folds) - count} with --folds={number} --held_out_fold={held_out}"
            for held_out, count in enumerate(of_folds)
            if count < max(of_folds)
        ]
    if missing:
        raise UserError(
            "--teachers must be the same number of runs for every fold of the training split, missing: "
            f"{', '.join(missing)}"
        )
    return per_example


def check_fold_weights(folds: Sequence[Fold | None], weights: Sequence[float]) -> None:
    """Refuses weights that leave rows of the training split to runs of weight 0."""
    counting = {fold for fold, weight in zip(folds, weights) if weight > 0}
    numbers = {fold.folds for fold in folds if fold}
    unweighted = {
        number: [held_out for held_out in range(number) if Fold(number, held_out) not in counting] for number in numbers
    }
    if None not in counting and numbers and all(unweighted.values()):
        number = min(numbers)
        raise UserError(
            f"--weights must be above 0 for a run of every fold, fold {unweighted[number][0]} of {number} has none, "
            f"got {', '.join(map(str, weights))}"
        )


def rows_of_part(rows: EncodedSplit | SplitRows, train_part: Part | None) -> np.ndarray:
    """Returns the numbers of the rows of a split that are predicted, int64: a part of a training split, else all."""
    if rows.split != TRAIN or train_part is None:
        return np.arange(len(rows))
    return train_part.rows(len(rows), rows.queries)


@overload
def part_of_split(rows: EncodedSplit, train_part: Part | None) -> EncodedSplit: ...


@overload
def part_of_split(rows: SplitRows, train_part: Part | None) -> SplitRows: ...


def part_of_split(rows: EncodedSplit | SplitRows, train_part: Part | None) -> EncodedSplit | SplitRows:
    """Returns the part of a training split that is predicted, or the whole of another split."""
    taken = rows_of_part(rows, train_part)
    return rows if len(taken) == len(rows) else rows.take(taken)


def without_tokens(rows: EncodedSplit | SplitRows) -> SplitRows:
    """Returns a split without its tokens, which a part of it would read into memory."""
    if isinstance(rows, SplitRows):
        return rows
    return SplitRows(rows.task, rows.split, rows.example_ids, rows.labels, rows.data_fingerprint, rows.queries)


def counted_runs(rows: EncodedSplit | SplitRows, folds: Sequence[Fold | None]) -> np.ndarray | None:
    """Returns which runs count for each row, bool [runs, rows], by `predictions_per_example`'s folds; None for all."""
    if rows.split != TRAIN or not any(folds):
        return None
    every = np.ones(len(rows), bool)
    return np.stack([fold.contains(rows.example_ids, rows.queries) if fold else every for fold in folds])


def rows_of_run(rows: EncodedSplit | SplitRows, folds: Sequence[Fold | None], run: int) -> np.ndarray:
    """Returns the numbers of the rows that a run counts for, int64 [rows]; arguments as of `counted_runs`."""
    counted = counted_runs(rows, folds[run : run + 1])
    return np.arange(len(rows)) if counted is None else np.flatnonzero(counted[0])


def predict_with_runs(
    runs: Sequence[Path],
    tasks: Sequence[Task],
    splits: Sequence[str] | Mapping[str, Sequence[str]],
    data: TaskData,
    inference: InferenceSettings = ORDINARY_INFERENCE,
) -> dict[str, SplitPredictions]:
    """Returns the mean of what the runs predict on splits, by result name; arguments as of `predict_each_run`."""
    predictions = predict_each_run(runs, tasks, splits, data, inference)
    return {name: split.combined() for name, split in predictions.items()}
