"""The most frequent label as every example's answer, as submissions to GLUE have it for WNLI."""

from __future__ import annotations

import numpy as np

from mtdnn_tf.data.sources import DataSource, read_examples
from mtdnn_tf.errors import UserError
from mtdnn_tf.evaluation.predictions import Predictions
from mtdnn_tf.tasks.task import CLASSIFICATION, TRAIN, Task


def majority_predictions(task: Task, split: str, source: DataSource) -> Predictions:
    """Returns the label frequencies of a task's training split as the probabilities of every example of a split.

    Args:
        task: The task; a classification.
        split: The split to answer.
        source: Where examples come from.

    Raises:
        UserError: The task is no classification, or its data are not there.
    """
    if task.kind != CLASSIFICATION:
        raise UserError(f"task {task.name}: a majority takes a classification task, {task.kind} given")
    labels = [example.label for example in read_examples(task, TRAIN, source) if example.label is not None]
    frequencies = np.bincount(labels, minlength=task.num_outputs) / len(labels)
    example_ids = [example.example_id for example in read_examples(task, split, source)]
    return Predictions(task, split, example_ids, np.tile(frequencies.astype(np.float32), (len(example_ids), 1)))
