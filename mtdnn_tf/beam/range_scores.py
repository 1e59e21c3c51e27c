"""Averaged predictions of teachers for ranges of rows."""

from __future__ import annotations

import dataclasses

from mtdnn_tf.beam.exported_models import ExportedModel
from mtdnn_tf.beam.range_folders import RangeFolders
from mtdnn_tf.beam.range_work import PredictedRange
from mtdnn_tf.data.encoded_split import EXAMPLE_IDS
from mtdnn_tf.distillation.ensemble import combined_predictions
from mtdnn_tf.distillation.scored_rows import (
    PREDICTIONS,
    VARIANCES,
    ScoredRows,
    join_scored_rows,
    read_scored_rows,
    write_scored_rows,
)
from mtdnn_tf.tasks.task import Task

SCORE_FILES = (EXAMPLE_IDS, PREDICTIONS, VARIANCES)


@dataclasses.dataclass(frozen=True)
class RangeScores:
    """Scores of the ranges of a task's split, as `RangeWork`.

    Attributes:
        task: The task.
        models: The teachers.
        batch_size: Rows per batch.
        folders: Where the scored ranges are, each with `SCORE_FILES`.
        weights: One weight per teacher; None for equal weights.
        average: Average "probabilities" or "logits".
    """

    task: Task
    models: tuple[ExportedModel, ...]
    batch_size: int
    folders: RangeFolders
    weights: tuple[float, ...] | None
    average: str

    def write(self, number: int, predicted: PredictedRange) -> None:
        """Writes the average and variance of a range."""
        how = (self.weights, self.average)
        combined = combined_predictions(self.task.kind_object, predicted.by_model, *how, queries=predicted.queries)
        with self.folders.new(number, len(predicted.example_ids)) as temporary:
            write_scored_rows(temporary, ScoredRows(predicted.example_ids, *combined))

    def joined(self, count: int) -> ScoredRows:
        """Returns the scores of all ranges of `count`, in order, as one; the arrays are in files beside them.

        One range at least is scored.
        """
        parts = [read_scored_rows(folder, self.folders.remedy) for folder in self.folders.done(count)]
        return join_scored_rows(self.folders.folder, parts, self.folders.remedy)
