"""Scoring a split of any number of rows with exported teachers on Apache Beam."""

from __future__ import annotations

import dataclasses
import logging
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mtdnn_tf.beam.exported_teachers import ExportedTeacher, find_teacher
from mtdnn_tf.beam.options import BeamOptions
from mtdnn_tf.beam.range_scores import RangeScores
from mtdnn_tf.beam.row_ranges import RowRanges
from mtdnn_tf.beam.running import progress_logged, run_pipeline
from mtdnn_tf.beam.score_ranges import build_scoring
from mtdnn_tf.data.sources.files_source import refuse_duplicate_ids, split_shards
from mtdnn_tf.distillation.ensemble import PROBABILITIES, check_average, check_weights
from mtdnn_tf.distillation.soft_targets import ScoredSplit, run_record, soft_target_folder, write_soft_targets
from mtdnn_tf.errors import UserError
from mtdnn_tf.json_files import fingerprint
from mtdnn_tf.locks import locked_path
from mtdnn_tf.tasks.task import Task

_FOLDER = "_beam"
_log = logging.getLogger("absl")


@dataclasses.dataclass(frozen=True)
class BeamScoring:
    """What is scored on Beam, by which exported teachers, and how their predictions are averaged.

    Attributes:
        teachers: Folders that `mtdnn export` wrote.
        tasks: The tasks, which are read from files.
        split: The split to score.
        data_dir: Folder of the data.
        output_dir: Folder of the soft targets, with one subfolder per task and split. All workers must see it, as they
            must see the data and the teachers, under the same path.
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

        Rows that cannot be read are listed in `<output_dir>/_beam/<task>-<split>/unreadable.jsonl`. An interrupted
        scoring continues after the ranges that are scored.

        Raises:
            UserError: A teacher does not answer a task, ids are duplicates, more rows cannot be read than may be left
                out, or the pipeline failed.
        """
        teachers = tuple(find_teacher(folder.resolve(), self.tasks) for folder in self.teachers)
        for task in self.tasks:
            split_shards(task, self.split, self.data_dir)
            if task.has_row_ids and self.options.max_unreadable_rows:
                raise UserError(
                    f"`max_unreadable_rows={self.options.max_unreadable_rows}` needs ids of a column or hashes, got "
                    f"task {task.name} whose ids are row numbers"
                )
        for task in self.tasks:
            store = soft_target_folder(self.output_dir, task, self.split)
            with locked_path(store, f"--output_dir {store.parent}, {store.name}"):
                self._score_task(task, teachers, store)
        return [task.name for task in self.tasks]

    def _score_task(self, task: Task, teachers: tuple[ExportedTeacher, ...], store: Path) -> None:
        folder = (self.output_dir / _FOLDER / f"{task.name}-{self.split}").resolve()
        count = self.options.num_shards
        ranges = RowRanges(folder / "rows", task, self.split, self.data_dir.resolve(), count)
        shutil.rmtree(folder / "rows", ignore_errors=True)
        run_pipeline(self.options, ranges.build, f"reading {task.name} {self.split}")
        unreadable = self._check_rows(task, ranges)
        rows, digest = ranges.digest()
        if not rows:
            raise UserError(f"no example of task {task.name}, split {self.split}; a split must have one or more")
        scores = self._range_scores(task, teachers, folder / "scores", digest)
        what = f"scoring {task.name} {self.split}, ranges of {rows} rows"
        if scored := sum(scores.has(number) for number in range(count)):
            _log.info("%s: %d of %d ranges were scored before", scores.folder, scored, count)
        with progress_logged(scores.written, count, what):
            run_pipeline(self.options, lambda pipeline: build_scoring(pipeline, ranges, scores), what)
        self._write(task, store, scores, rows, digest, unreadable)
        _log.info("%s: %d rows scored by %d teachers, %d unreadable", store, rows, len(teachers), unreadable)
        for part in ("rows", "scores") if not unreadable else ("scores",):
            shutil.rmtree(folder / part, ignore_errors=True)

    def _check_rows(self, task: Task, ranges: RowRanges) -> int:
        """Returns the number of rows that cannot be read; refuses too many, and duplicate ids."""
        unreadable, most = ranges.unreadable(), self.options.max_unreadable_rows
        for row in unreadable:
            if row.ends_file:
                raise UserError(row.problem)
        if len(unreadable) > most:
            raise UserError(
                f"{len(unreadable)} row(s) of task {task.name}, split {self.split} cannot be read, "
                f"`max_unreadable_rows={most}` may be left out; listed in {ranges.unreadable_file}; the first: "
                f"{unreadable[0].problem}"
            )
        if duplicates := ranges.duplicates():
            refuse_duplicate_ids(task, self.split, self.data_dir, duplicates, lambda error: None)
            raise UserError(f"task {task.name}, split {self.split}: duplicate id {duplicates[0]!r}; ids must be unique")
        return len(unreadable)

    def _range_scores(
        self, task: Task, teachers: tuple[ExportedTeacher, ...], folder: Path, digest: str
    ) -> RangeScores:
        weights = None if self.weights is None else tuple(self.weights)
        decisive = {
            "data": digest,
            "task": [task.name, task.kind, list(task.text), list(task.labels), task.head_task, list(task.head_labels)],
            "teachers": [[teacher.fingerprint, teacher.weights] for teacher in teachers],
            "weights": weights,
            "average": self.average,
            "batch_size": self.options.batch_size,
            "num_shards": self.options.num_shards,
        }
        how = (task, teachers, weights, self.average, self.options.batch_size)
        return RangeScores(folder, fingerprint(decisive), *how)

    def _write(self, task: Task, store: Path, scores: RangeScores, rows: int, digest: str, unreadable: int) -> None:
        found = sum(len(part.predictions) for part in scores.read(self.options.num_shards))
        if found != rows:
            raise UserError(f"{scores.folder}: must have scores of {rows} rows, got {found}; run the command again")
        scored = scores.joined(self.options.num_shards)
        split = ScoredSplit(self.split, scored.example_ids, digest)
        teachers = [
            run_record(teacher.name, teacher.fingerprint, weight, stored_weights=teacher.weights)
            for teacher, weight in zip(scores.teachers, self.weights or [1.0] * len(scores.teachers))
        ]
        details: dict[str, Any] = {"average": self.average, "unreadable_rows": unreadable}
        write_soft_targets(store, task, split, scored.predictions, teachers, scored.variances, details)
