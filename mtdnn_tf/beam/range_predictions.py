"""Predictions of one model for ranges of rows, in files that `mtdnn predict` would write of them."""

from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path

from mtdnn_tf.beam.exported_models import ExportedModel
from mtdnn_tf.beam.range_folders import RangeFolders
from mtdnn_tf.beam.range_work import PredictedRange
from mtdnn_tf.evaluation.predictions import Predictions, write_predictions
from mtdnn_tf.tasks.task import Task


@dataclasses.dataclass(frozen=True)
class RangePredictions:
    """Predictions of the ranges of a task's split, as `RangeWork`.

    Attributes:
        task: The task.
        split: The split.
        model: The model.
        batch_size: Rows per batch.
        folders: Where the predicted ranges are, each with one file.
    """

    task: Task
    split: str
    model: ExportedModel
    batch_size: int
    folders: RangeFolders

    @property
    def models(self) -> tuple[ExportedModel, ...]:
        """The model."""
        return (self.model,)

    def write(self, number: int, predicted: PredictedRange) -> None:
        """Writes the predictions of a range."""
        (values,) = predicted.by_model
        (name,) = self.folders.files
        with self.folders.new(number, len(predicted.example_ids)) as temporary:
            write_predictions(temporary / name, Predictions(self.task, self.split, predicted.example_ids, values))

    def copy(self, count: int, folder: Path) -> None:
        """Copies the files of those of `count` ranges that have rows into a folder, numbered in order."""
        done, name = self.folders.done(count), Path(self.folders.files[0])
        for number, of_range in enumerate(done):
            numbered = f"{name.stem}-{number:05d}-of-{len(done):05d}{name.suffix}"
            shutil.copyfile(of_range / name, folder / numbered)
