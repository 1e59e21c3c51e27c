"""The development rows of a trained run, and how what is made of its model answers them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np

from mtdnn_tf.data.batching.inference_batches import batched_order
from mtdnn_tf.data.encoded_split import EncodedSplit
from mtdnn_tf.data.settings import DataSettings, common_run_data
from mtdnn_tf.evaluation.gold_labels import check_gold_labels
from mtdnn_tf.evaluation.measures.average import average, result_name
from mtdnn_tf.evaluation.measures.metrics import compute_metrics
from mtdnn_tf.evaluation.predictor import predictions_of
from mtdnn_tf.evaluation.run_tasks import tasks_of_run
from mtdnn_tf.modeling.checkpoints.model_folder import LoadedModel

_BATCH_SIZE = 32
# From the name of a task and a batch of arrays [rows, length], by the names of the model's inputs, to the task's
# `Kind.row_outputs`, float32 [rows, num_outputs].
Answer = Callable[[str, Mapping[str, np.ndarray]], np.ndarray]
Metrics = Mapping[str, Mapping[str, float]]


def development_splits(
    run: Path, loaded: LoadedModel, names: Sequence[str] = (), split: str = ""
) -> list[EncodedSplit]:
    """Returns the development splits, or another labelled split, of tasks with a head of their own.

    Args:
        run: Folder of a trained run.
        loaded: Its model, whose tokenizer encodes the texts.
        names: Names of the tasks; all of the run if empty.
        split: Name of the split of each task; its development splits if empty.

    Raises:
        UserError: A task has no such split, the run's task files or data are no longer where they were, or a row has no
            gold label.
    """
    settings = DataSettings(**common_run_data([run], {"max_sequence_length"}))
    tasks = [task for task in tasks_of_run(run, names, settings.task_file) if task.head_of is None]
    encoded = settings.task_data().encoded(loaded.tokenizer, loaded.max_sequence_length)
    found = [encoded.split(task, name) for task in tasks for name in ([split] if split else task.evaluation_splits)]
    for one in found:
        check_gold_labels(one)
    return found


def development_metrics(answer: Answer, development: Sequence[EncodedSplit]) -> dict[str, dict[str, float]]:
    """Returns the metrics of answers to splits, by result name."""
    metrics = {}
    for encoded in development:
        rows = np.arange(len(encoded))
        predictions = predictions_of(encoded, outputs_of(answer, encoded, rows), rows)
        name = result_name(encoded.task, encoded.split)
        metrics[name] = compute_metrics(encoded.task, predictions, encoded.labels, encoded.queries)
    return metrics


def outputs_of(answer: Answer, encoded: EncodedSplit, rows: np.ndarray) -> np.ndarray:
    """Returns what is answered to some rows of a split, in their order."""
    order = batched_order(encoded.lengths_of(rows), _BATCH_SIZE)
    batches = (encoded.batch(rows[order[start : start + _BATCH_SIZE]]) for start in range(0, len(rows), _BATCH_SIZE))
    return np.concatenate([answer(encoded.task.name, batch) for batch in batches])[np.argsort(order)]


def points(metrics: Metrics) -> float:
    """Returns the average over tasks of metrics on development splits, times 100."""
    over_tasks = average(metrics)
    assert over_tasks is not None  # Every split is of a task with a head of its own.
    return 100 * over_tasks.score
