"""Checks of gold labels, and the most frequent label as a prediction."""

from __future__ import annotations

import logging

import numpy as np

from mtdnn_tf.data.encoded_split import EncodedSplit
from mtdnn_tf.data.sources.source import DataSource
from mtdnn_tf.data.streaming.split_rows import SplitRows
from mtdnn_tf.errors import UserError
from mtdnn_tf.evaluation.predictions import Predictions
from mtdnn_tf.tasks.task import TRAIN, Task

_log = logging.getLogger("absl")


def check_gold_labels(encoded: EncodedSplit | SplitRows) -> None:
    """Refuses a development split without gold labels, and logs one line where all are alike."""
    task, queries = encoded.task, encoded.queries
    where = f"task {task.name}, split {encoded.split}"
    labelled = encoded.labels[task.kind_object.labelled(encoded.labels, queries)]
    if not len(labelled):
        raise UserError(
            f"{where}: none of its {len(encoded)} rows has a gold label that it can be evaluated with; label it, "
            "leave its file out of the task file, or give --evaluation=never"
        )
    if queries is None and (labelled == labelled[0]).all():
        value = task.kind_object.label_text(task, labelled[0])
        _log.warning("%s: all of its %d gold labels are %s; its metrics tell little", where, len(labelled), value)


def warn_of_labels(encoded: EncodedSplit, rows: np.ndarray) -> None:
    """Logs what keeps a task from learning from the gold labels of some labelled rows of its training split."""
    task, labels, queries = encoded.task, encoded.labels[rows], encoded.queries_of(rows)
    for fault in task.kind_object.training_faults(task, labels, queries) if len(rows) else ():
        _log.warning("task %s: %s", task.name, fault)


def majority_predictions(task: Task, split: str, source: DataSource) -> Predictions:
    """Returns the label frequencies of a task's training split as the probabilities of every example of a split.

    The most frequent label is what submissions to GLUE answer for WNLI. Refuses a task whose kind has not exactly one
    label per row.
    """
    if not task.kind_object.has_one_label:
        raise UserError(f"task {task.name}: a majority needs a classification task, got {task.kind}")
    labels = [example.label for example in source.read(task, TRAIN) if example.label is not None]
    frequencies = np.bincount(labels, minlength=task.num_outputs) / len(labels)
    example_ids = [example.example_id for example in source.read(task, split)]
    return Predictions(task, split, example_ids, np.tile(frequencies.astype(np.float32), (len(example_ids), 1)))
