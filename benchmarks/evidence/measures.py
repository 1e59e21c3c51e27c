"""Measures of predictions: metrics, calibration, and agreement with the ensemble."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from typing import Any

import numpy as np

from benchmarks.evidence.block import Predictions, key, read_predictions
from benchmarks.evidence.trainings import Block, Training
from mtdnn_tf.data.encoded_split import EncodedSplit
from mtdnn_tf.distillation.ensemble import average_predictions
from mtdnn_tf.evaluation.measures.calibration import calibration
from mtdnn_tf.evaluation.measures.fidelity import fidelity
from mtdnn_tf.evaluation.measures.metrics import compute_metrics
from mtdnn_tf.json_files import finite
from mtdnn_tf.modeling.checkpoints.backbones import find_backbone


def ensemble_predictions(block: Block, members: Sequence[Training]) -> Predictions:
    """Returns the mean of the members' predictions."""
    by_member = [read_predictions(block, member) for member in members]
    return {name: average_predictions([of[name] for of in by_member]) for name in by_member[0]}


def measure(block: Block, predictions: Predictions, teacher: Predictions | None = None) -> list[dict[str, Any]]:
    """Returns the measures of every task and split as JSON values.

    Args:
        block: The block, which has the gold labels.
        predictions: Of a model or an ensemble.
        teacher: Of the ensemble that a model is compared with, if any.
    """
    found = []
    for name, values in predictions.items():
        task_name, split = name.split("/")
        encoded = _encoded(block, task_name, split)
        gold, queries = np.asarray(encoded.labels), encoded.queries
        queries = None if queries is None else np.asarray(queries)
        fits = calibration(encoded.task, values, gold, queries)
        follows = None if teacher is None else fidelity(encoded.task, values, teacher[name], queries)
        found.append(
            {
                "task": task_name,
                "split": split,
                "rows": len(encoded),
                "metrics": {
                    metric: finite(value)
                    for metric, value in compute_metrics(encoded.task, values, gold, queries).items()
                },
                "calibration": None if fits is None else {"ece": fits.ece, "nll": fits.nll, "brier": fits.brier},
                "agreement": None if follows is None else finite(follows.agreement),
            }
        )
    return found


def scores(block: Block, predictions: Predictions, split: str) -> dict[str, float]:
    """Returns the score of each task on a split: the mean of its metrics."""
    of_split = {name: values for name, values in predictions.items() if name == key(name.split("/")[0], split)}
    return {
        found["task"]: statistics.fmean(value or 0.0 for value in found["metrics"].values())
        for found in measure(block, of_split)
    }


def _encoded(block: Block, task_name: str, split: str) -> EncodedSplit:
    data = block.base.data
    (task,) = block.base.replace(tasks=(task_name,)).data.selected_tasks()
    return data.encoded(find_backbone(block.base.encoder.backbone).tokenizer()).split(task, split)
