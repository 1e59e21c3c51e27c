"""Predicting a split of any number of rows with an exported model on Apache Beam."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Sequence
from pathlib import Path

from mtdnn_tf.beam.exported_models import ExportedModel, find_exported
from mtdnn_tf.beam.options import BeamOptions, BeamPredictionOptions
from mtdnn_tf.beam.range_predictions import RangePredictions
from mtdnn_tf.beam.split_stages import SplitStages, check_readable
from mtdnn_tf.files import new_folder
from mtdnn_tf.locks import locked_path
from mtdnn_tf.manifests import write_manifest
from mtdnn_tf.tasks.task import Task

_log = logging.getLogger("absl")


@dataclasses.dataclass(frozen=True)
class BeamPrediction:
    """What is predicted on Beam, and by which exported model.

    Attributes:
        model: A folder that `mtdnn export` wrote, or a release.
        tasks: The tasks, which are read from files.
        split: The split to predict.
        data_dir: Folder of the data.
        output_dir: Folder of the predictions, with one subfolder per task and split; see `SplitStages`.
        options: How the rows are divided, and the runner.
        files: Which files are written.
    """

    model: Path
    tasks: Sequence[Task]
    split: str
    data_dir: Path
    output_dir: Path
    options: BeamOptions = BeamOptions()
    files: BeamPredictionOptions = BeamPredictionOptions()

    def predict(self) -> list[Path]:
        """Writes the predictions of all tasks; returns their folders.

        A folder `<output_dir>/<task>-<split>` has the files `predictions-00000-of-<n>` with a row per example, sorted
        by id (a ranking's by query) within each, and a manifest. Rows that cannot be read are listed in
        `<output_dir>/_beam/<task>-<split>/rows/unreadable.jsonl`. An interrupted call continues after the ranges that
        are predicted.

        Raises:
            UserError: The model does not answer a task, ids are duplicates, more rows cannot be read than may be left
                out, or the pipeline failed.
        """
        model = find_exported(self.model.resolve(), self.tasks, "--model")
        check_readable(self.tasks, self.split, self.data_dir, self.options)
        folders = []
        for task in self.tasks:
            folder = self.output_dir / f"{task.name}-{self.split}"
            with locked_path(folder, f"--output_dir {self.output_dir}, {folder.name}"):
                self._predict_task(task, model, folder)
            folders.append(folder)
        return folders

    def _predict_task(self, task: Task, model: ExportedModel, folder: Path) -> None:
        stages = SplitStages(task, self.split, self.data_dir, self.output_dir, self.options)
        read = stages.read()
        name = f"predictions.{self.files.format}"
        folders = stages.folders([name], {"model": [model.fingerprint, model.weights], "file": name}, read)
        work = RangePredictions(task, self.split, model, self.options.batch_size, folders)
        stages.work(read, work, "predicting")
        with new_folder(folder) as temporary:
            work.copy(self.options.num_shards, temporary)
            manifest = {
                "task": task.name,
                "split": self.split,
                "rows": read.rows,
                "unreadable_rows": read.unreadable,
                "data_fingerprint": read.data_fingerprint,
                "model": model.name,
                "weights_sha256": model.fingerprint,
            }
            write_manifest(temporary, manifest)
        _log.info("%s: %d rows predicted, %d unreadable", folder, read.rows, read.unreadable)
        stages.remove(read)
