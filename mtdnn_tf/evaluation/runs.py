"""Predictions of trained runs, alone or averaged as an ensemble."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from mtdnn_tf.data.encoded_split import EncodedSplit
from mtdnn_tf.data.encoding import encode_split
from mtdnn_tf.data.sources import DataSource
from mtdnn_tf.distillation.ensemble import average_predictions, check_weights, prediction_variance
from mtdnn_tf.errors import UserError, unknown_name
from mtdnn_tf.evaluation.inference import predict
from mtdnn_tf.evaluation.metrics import compute_metrics
from mtdnn_tf.evaluation.predictions import Predictions
from mtdnn_tf.evaluation.result_names import result_name
from mtdnn_tf.modeling.model_folder import LoadedModel, load_model, read_tasks
from mtdnn_tf.tasks.task import Task


class SplitPredictions(NamedTuple):
    """What one or more runs predict on a split.

    Attributes:
        encoded: The split, as the first run's word pieces encode it.
        predictions: Float32 [examples, num_outputs]: averaged probabilities or scores.
        variances: Float32 [examples]: the runs' variance around the average; None if it was not computed.
    """

    encoded: EncodedSplit
    predictions: np.ndarray
    variances: np.ndarray | None = None

    def rows(self) -> Predictions:
        """Returns the predictions with the ids of their examples."""
        return Predictions(self.encoded.task, self.encoded.split, self.encoded.example_ids, self.predictions)

    def metrics(self) -> dict[str, float]:
        """Returns the task's metrics against the gold labels."""
        labels, queries = np.asarray(self.encoded.labels), self.encoded.queries
        return compute_metrics(
            self.encoded.task, self.predictions, labels, None if queries is None else np.asarray(queries)
        )


def _check_tasks(tasks: Sequence[Task], trained: Sequence[Task], run: Path) -> None:
    known = {task.name: task for task in trained}
    for task in tasks:
        head = known.get(task.head_task)
        if head is None:
            raise unknown_name(f"task of run {run}", task.head_task, known)
        if (head.kind, head.labels) != (task.kind, task.labels_of_head):
            raise UserError(
                f"run {run}: task {task.name} was trained as {head.kind} with labels {list(head.labels)}, "
                f"declared now as {task.kind} with labels {list(task.labels_of_head)}"
            )


def predict_with_runs(
    runs: Sequence[Path],
    tasks: Sequence[Task],
    splits: Sequence[str] | Mapping[str, Sequence[str]],
    source: DataSource,
    cache_dir: Path,
    batch_size: int = 64,
    weights: Sequence[float] | None = None,
) -> tuple[dict[str, SplitPredictions], list[LoadedModel]]:
    """Predicts splits with every run and averages the predictions.

    Every run is read once, whatever the number of splits.

    Args:
        runs: Folders of trained runs; each encodes the texts with its own word pieces.
        tasks: The tasks; empty for those of the first run.
        splits: The splits, or those of each task by its name; empty for each task's own development splits.
        source: Where examples come from.
        cache_dir: Folder of encoded data.
        batch_size: Examples in a batch. Defaults to 64.
        weights: One weight a run; equal by default.

    Returns:
        Predictions by result name, and the runs' models.

    Raises:
        UserError: A run does not answer a task, or was trained on other labels.
    """
    # Before the first prediction: it may take hours.
    check_weights(weights, len(runs))
    for run in runs:
        trained = read_tasks(run)
        tasks = tasks or trained
        _check_tasks(tasks, trained, run)

    splits_of = {
        task.name: (splits[task.name] if isinstance(splits, Mapping) else splits) or task.evaluation_splits
        for task in tasks
    }
    encoded: dict[str, EncodedSplit] = {}
    predictions: dict[str, list[np.ndarray]] = {}
    models = []
    for run in runs:
        tf.keras.backend.clear_session()
        loaded = load_model(run)
        models.append(loaded)
        for task in tasks:
            for split in splits_of[task.name]:
                name = result_name(task, split)
                rows = encode_split(task, split, source, loaded.tokenizer, loaded.max_sequence_length, cache_dir)
                encoded.setdefault(name, rows)
                predictions.setdefault(name, []).append(predict(loaded.model, rows, batch_size))
    averaged = {
        name: SplitPredictions(
            encoded[name], average_predictions(values, weights), prediction_variance(values, weights)
        )
        for name, values in predictions.items()
    }
    return averaged, models


def metrics_of(predictions: Mapping[str, SplitPredictions]) -> dict[str, dict[str, float]]:
    """Returns the metrics of predicted splits by their names."""
    return {name: split.metrics() for name, split in predictions.items()}
