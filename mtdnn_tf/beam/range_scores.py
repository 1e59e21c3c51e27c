"""Averaged predictions of teachers for ranges of rows: the shards of soft targets."""

from __future__ import annotations

import dataclasses
from typing import Any

from mtdnn_tf.beam.exported_models import ExportedModel
from mtdnn_tf.beam.range_folders import RangeFolders
from mtdnn_tf.beam.range_work import PredictedRange
from mtdnn_tf.data.encoded_split import EXAMPLE_IDS
from mtdnn_tf.distillation.ensemble import combined_predictions
from mtdnn_tf.distillation.scored_rows import PREDICTIONS, VARIANCES, ScoredRows, write_scored_rows
from mtdnn_tf.distillation.target_shards import shard_fields
from mtdnn_tf.tasks.task import Task

SCORE_FILES = (EXAMPLE_IDS, PREDICTIONS, VARIANCES)


@dataclasses.dataclass(frozen=True)
class RangeScores:
    """Scores of the ranges of a task's split, as `RangeWork`.

    Attributes:
        task: The task.
        models: The teachers.
        batch_size: Rows per batch.
        folders: Where the scored ranges are, each with `SCORE_FILES` and the manifest of a shard.
        weights: One weight per teacher; None for equal weights.
        average: Average "probabilities" or "logits".
        shared: What the manifests of all shards say alike.
    """

    task: Task
    models: tuple[ExportedModel, ...]
    batch_size: int
    folders: RangeFolders
    weights: tuple[float, ...] | None
    average: str
    shared: dict[str, Any]

    def write(self, number: int, predicted: PredictedRange) -> None:
        """Writes the average and variance of a range."""
        how = (self.weights, self.average)
        combined = combined_predictions(self.task.kind_object, predicted.by_model, *how, queries=predicted.queries)
        rows = len(predicted.example_ids)
        with self.folders.new(number, rows, shard_fields(self.shared, rows, predicted.data_sum)) as temporary:
            write_scored_rows(temporary, ScoredRows(predicted.example_ids, *combined))
