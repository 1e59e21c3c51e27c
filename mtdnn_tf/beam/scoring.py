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
from mtdnn_tf.beam.split_stages import RowsRead, SplitStages, check_readable
from mtdnn_tf.distillation.ensemble import PROBABILITIES, check_average, check_weights
from mtdnn_tf.distillation.soft_targets import ScoredSplit, run_record, soft_target_folder, write_soft_targets
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
        """Writes the soft targets of all tasks; returns the tasks' names.

        Rows that cannot be read are listed in `<output_dir>/_beam/<task>-<split>/rows/unreadable.jsonl`. An interrupted
        scoring continues after the ranges that are scored.

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
        read = stages.read()
        weights = None if self.weights is None else tuple(self.weights)
        decisive = {
            "teachers": [[teacher.fingerprint, teacher.weights] for teacher in teachers],
            "weights": weights,
            "average": self.average,
        }
        folders = stages.folders(SCORE_FILES, decisive, read)
        scores = RangeScores(task, teachers, self.options.batch_size, folders, weights, self.average)
        stages.work(read, scores, "scoring")
        self._write(task, store, scores, read)
        _log.info("%s: %d rows scored by %d teachers, %d unreadable", store, read.rows, len(teachers), read.unreadable)
        stages.remove(read)

    def _write(self, task: Task, store: Path, scores: RangeScores, read: RowsRead) -> None:
        scored = scores.joined(self.options.num_shards)
        teachers = [
            run_record(teacher.name, teacher.fingerprint, weight, stored_weights=teacher.weights)
            for teacher, weight in zip(scores.models, self.weights or [1.0] * len(scores.models))
        ]
        split = ScoredSplit(self.split, scored.example_ids, read.data_fingerprint)
        details: dict[str, Any] = {"average": self.average, "unreadable_rows": read.unreadable}
        write_soft_targets(store, task, split, scored.predictions, teachers, scored.variances, details)
