"""Scoring a split of any number of rows with exported teachers on Apache Beam."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mtdnn_tf.beam.exported_models import ExportedModel, find_exported
from mtdnn_tf.beam.options import BeamOptions
from mtdnn_tf.beam.range_scores import SCORE_FILES, RangeScores
from mtdnn_tf.beam.split_stages import SplitStages, check_readable
from mtdnn_tf.distillation.ensemble import PROBABILITIES, check_average, check_weights
from mtdnn_tf.distillation.soft_targets import run_record, shared_fields, soft_target_folder
from mtdnn_tf.distillation.target_shards import write_manifest_over_all
from mtdnn_tf.errors import UserError
from mtdnn_tf.locks import locked_path
from mtdnn_tf.tasks.task import Task

_log = logging.getLogger("absl")


@dataclasses.dataclass(frozen=True)
class BeamScoring:
    """What is scored on Beam, by which exported teachers, and how their predictions are averaged.

    Attributes:
        teachers: Folders that `mtdnn export` wrote, or releases.
        tasks: The tasks, which are read from files.
        split: The split to score.
        data_dir: Folder of the data.
        output_dir: Folder of the soft targets, with one subfolder per task and split; see `SplitStages`.
        options: How the rows are divided, and the runner.
        weights: One weight per teacher; equal weights by default.
        average: Average "probabilities" or "logits"; scores of a regression in both cases.

    Raises:
        UserError: No teacher is given, or weights do not fit the teachers.
    """

    teachers: Sequence[Path]
    tasks: Sequence[Task]
    split: str
    data_dir: Path
    output_dir: Path
    options: BeamOptions = BeamOptions()
    weights: Sequence[float] | None = None
    average: str = PROBABILITIES

    def __post_init__(self) -> None:
        if not self.teachers:
            raise UserError("--teachers must be one or more exported models, got none")
        check_weights(self.weights, len(self.teachers))
        check_average(self.average)

    def score(self) -> list[str]:
        """Writes the soft targets of all tasks, in shards; returns the tasks' names.

        Shards that are already there, of the same data, teachers and settings, stay as they are; a damaged or missing
        one is made again. An interrupted scoring continues after the ranges that are scored. Rows that cannot be read
        are listed in `<output_dir>/_beam/<task>-<split>/rows/unreadable.jsonl`.

        Raises:
            UserError: A teacher does not answer a task, ids are duplicates, more rows cannot be read than may be left
                out, or the pipeline failed.
        """
        teachers = tuple(find_exported(folder.resolve(), self.tasks, "--teachers") for folder in self.teachers)
        check_readable(self.tasks, self.split, self.data_dir, self.options)
        for task in self.tasks:
            store = soft_target_folder(self.output_dir, task, self.split)
            with locked_path(store, f"--output_dir {store.parent}, {store.name}"):
                self._score_task(task, teachers, store)
        return [task.name for task in self.tasks]

    def _score_task(self, task: Task, teachers: tuple[ExportedModel, ...], store: Path) -> None:
        stages = SplitStages(task, self.split, self.data_dir, self.output_dir, self.options)
        read, count = stages.read(), self.options.num_shards
        weights = None if self.weights is None else tuple(self.weights)
        records = [
            run_record(teacher.name, teacher.fingerprint, weight, stored_weights=teacher.weights)
            for teacher, weight in zip(teachers, weights or [1.0] * len(teachers))
        ]
        shared = shared_fields(task, self.split, records, {"average": self.average})
        folders = stages.folders(SCORE_FILES, {"weights": weights, "soft_targets": shared}, read)
        folders.take_back(store, count)
        scores = RangeScores(task, teachers, self.options.batch_size, folders, weights, self.average, shared)
        stages.work(read, scores, "scoring")
        names = [folder.name for folder in folders.done(count)]
        details: dict[str, Any] = {"data_fingerprint": read.data_fingerprint, "unreadable_rows": read.unreadable}
        write_manifest_over_all(folders.folder, names, shared, read.data_sum, details)
        folders.move_to(store, count)
        _log.info("%s: %d rows scored by %d teachers, %d unreadable", store, read.rows, len(teachers), read.unreadable)
        stages.remove(read)
