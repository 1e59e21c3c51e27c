"""Soft targets from teachers that this project did not train, and from soft targets that it wrote, in one average."""

from __future__ import annotations

import contextlib
import json
import logging
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from mtdnn_tf.data.folds import part_numbers
from mtdnn_tf.data.sources.source import DataSource
from mtdnn_tf.data.streaming.disk_arrays import disk_array, row_blocks
from mtdnn_tf.distillation.calibration import Scaling, check_calibration, fit_scaling
from mtdnn_tf.distillation.ensemble import average_predictions, check_weights, prediction_variance
from mtdnn_tf.distillation.joining import join_positions
from mtdnn_tf.distillation.soft_targets import (
    ScoredSplit,
    read_soft_targets,
    soft_target_folder,
    teacher_record,
    write_soft_targets,
)
from mtdnn_tf.distillation.table_options import DEFAULT_TABLES, TableOptions
from mtdnn_tf.distillation.teacher_tables import TeacherTable, read_teacher_table
from mtdnn_tf.errors import UserError
from mtdnn_tf.evaluation.ensembles.imported_rows import Rows
from mtdnn_tf.evaluation.measures.gold_agreement import gold_agreement
from mtdnn_tf.files import sha256_of_file
from mtdnn_tf.kinds.values import LABELS, PROBABILITIES, VOTES
from mtdnn_tf.locks import locked_path
from mtdnn_tf.manifests import MANIFEST
from mtdnn_tf.tasks.task import Task

AVERAGE = "average"
PER_EXAMPLE = "teachers_per_example"
_log = logging.getLogger("absl")


class Importing:
    """What is imported: rows of a split, teachers, and how their tables are read.

    Args:
        files: As of `import_soft_targets`, as are others that are not here.
        rows: The rows.
        folder: Where rows and numbers are in temporary files.
    """

    def __init__(
        self, files: Sequence[Path], task: Task, rows: Rows, source: DataSource, options: TableOptions, folder: Path
    ) -> None:
        self.rows, self._folder = rows, folder
        self._files, self._task, self._options = files, task, options
        self._values = options.values_of(files)
        for values in self._values:
            task.kind_object.check_values(task, values)
        tables = [path for path in files if not path.is_dir()]
        if options.calibration_from and len(options.calibration_from) != len(tables):
            raise UserError(
                f"`calibration_from` must be given once per imported table, got {len(options.calibration_from)} for "
                f"{len(tables)} tables"
            )
        self._calibration_table = dict(zip(tables, options.calibration_from))
        self._development: Rows | None = None
        if options.calibrate_on is not None:
            same = options.calibrate_on == rows.split
            self._development = rows if same else Rows.read(source, task, options.calibrate_on, folder)
            given = self._development
            check_calibration(task, options.calibration, given.split, given.labels, given.queries)

    def teachers(self) -> Iterator[tuple[TeacherTable, dict[str, Any]]]:
        """Yields each teacher's predictions, and what the manifest says of it."""
        for path, values in zip(self._files, self._values):
            yield self._from_folder(path) if path.is_dir() else self._from_table(path, values)

    def _from_folder(self, path: Path) -> tuple[TeacherTable, dict[str, Any]]:
        rows = self.rows
        folder = soft_target_folder(path, self._task, rows.split)
        if not folder.is_dir():
            raise UserError(f"{path}: no soft targets of task {self._task.name}, split {rows.split} there")
        targets = read_soft_targets(folder)
        scored = ScoredSplit(rows.split, rows.example_ids, rows.data_fingerprint)
        found = join_positions(targets, self._task, scored, np.arange(len(rows.example_ids)))
        given, kept = targets.rows.predictions, targets.rows.variances
        scores, variances = disk_array(self._folder, (len(found), given.shape[1])), np.zeros(len(found), np.float32)
        for block in row_blocks(len(found)):
            scores[block] = given[found[block]]
            if kept is not None:
                variances[block] = kept[found[block]]
        record = {
            "folder": path.name,
            "manifest_sha256": sha256_of_file(folder / MANIFEST),
            "teachers": targets.manifest["teachers"],
        }
        return TeacherTable(scores, variances, targets.teachers), record

    def _from_table(self, path: Path, values: str) -> tuple[TeacherTable, dict[str, Any]]:
        table, judged = self._read_table(path, values)
        record: dict[str, Any] = {"file": path.name, "file_sha256": sha256_of_file(path)}
        if values != PROBABILITIES:
            record["values"] = values
        smoothing = {VOTES: "vote_smoothing", LABELS: "label_smoothing"}.get(values)
        if smoothing and not self._task.kind_object.predicts_scores:
            record[smoothing] = getattr(self._options, smoothing)
        if self._development is not None:
            scaling, record["calibration"] = self._calibrated(path, judged, self._development)
            for block in self.blocks():
                queries = None if self.rows.queries is None else self.rows.queries[block]
                given = table.predictions[block]
                table.predictions[block] = scaling.apply(self._task.kind_object, given, queries)
        return table, record

    def _read_table(self, path: Path, values: str) -> tuple[TeacherTable, np.ndarray]:
        """Returns a table's predictions for the split, and for the rows that it is calibrated on, if any."""
        rows, development = self.rows, self._development
        if development is None or development is rows:
            table = self._read(path, rows, values)
            return table, table.predictions
        if path in self._calibration_table:
            judged = self._read(self._calibration_table[path], development, values)
            return self._read(path, rows, values), judged.predictions
        both, size = self._read(path, rows.followed_by(development), values), len(rows.example_ids)
        return TeacherTable(both.predictions[:size], both.variances[:size], both.teachers), both.predictions[size:]

    def blocks(self) -> list[slice]:
        """Returns blocks of rows with whole queries."""
        size = len(self.rows.example_ids)
        return row_blocks(size) if self.rows.queries is None else [slice(0, size)]

    def _read(self, path: Path, rows: Rows, values: str) -> TeacherTable:
        how = (values, self._options, rows.queries, self._folder)
        return read_teacher_table(path, self._task, rows.split, rows.example_ids, *how)

    def _calibrated(self, path: Path, predictions: np.ndarray, rows: Rows) -> tuple[Scaling, dict[str, Any]]:
        """Fits a scaling on all labelled rows; judges it by halves, each scaled as the other half fits."""
        task, method = self._task, self._options.calibration
        kind = task.kind_object
        labelled = kind.labelled(rows.labels, rows.queries)
        halves = part_numbers(rows.example_ids, 2, "calibration", rows.queries)

        def fitted(chosen: np.ndarray) -> Scaling:
            queries = None if rows.queries is None else rows.queries[chosen]
            return fit_scaling(method, kind, predictions[chosen], rows.labels[chosen], queries)

        crossed = np.array(predictions)
        for half in (0, 1):
            others = labelled & (halves != half)
            if not others.any():
                raise UserError(
                    f"`calibrate_on={rows.split}` must have labelled rows in both halves of the split, got none"
                )
            crossed[halves == half] = fitted(others).apply(kind, predictions, rows.queries)[halves == half]
        scaling = fitted(labelled)
        record: dict[str, Any] = {"method": method, "split": rows.split, **scaling.to_json(task)}
        for name, judged in {"before": predictions, "after": crossed}.items():
            record[name] = found = gold_agreement(task, judged, rows.labels, rows.queries) or {}
            where = f"{path}, {found['rows']} rows of {rows.split}, {name} calibration"
            _log.info("%s: nll %.4f, ece %.4f", where, found["nll"], found["ece"])
        _log.info("%s: calibrated by %s: %s", path, method, json.dumps(scaling.to_json(task)))
        return scaling, record


def import_soft_targets(
    files: Sequence[Path],
    task: Task,
    split: str,
    source: DataSource,
    output_dir: Path,
    teacher_names: Sequence[str] = (),
    weights: Sequence[float] | None = None,
    options: TableOptions = DEFAULT_TABLES,
) -> Path:
    """Writes the average of several teachers as soft targets, as if mtdnn score had scored the split.

    Args:
        files: One per teacher: a table, as `read_teacher_table` reads it, or a folder of soft targets, which counts as
            one teacher.
        task: The task.
        split: The split whose examples the files are of.
        source: Where its examples come from.
        output_dir: Where the task's folder goes, which is returned.
        teacher_names: One name per file; the files' own by default.
        weights: One weight per file; equal by default.
        options: What the tables hold, smoothing and calibration.

    Raises:
        UserError: A file is not accepted, there are not as many names or weights as files, or teachers cannot be
            calibrated.
    """
    names = checked_names(files, teacher_names, weights)
    store = soft_target_folder(output_dir, task, split)
    with working_folder(store) as folder:
        rows = Rows.read(source, task, split, folder)
        given = imported(Importing(files, task, rows, source, options, folder), task, names, weights, folder)
        teachers = given.teachers(names, weights)
        scored = ScoredSplit(split, rows.example_ids, rows.data_fingerprint)
        write_soft_targets(store, task, scored, given.predictions, teachers, given.variances, given.details)
    return store


def checked_names(files: Sequence[Path], teacher_names: Sequence[str], weights: Sequence[float] | None) -> list[str]:
    """Returns the teachers' names, by default those of the files; refuses another number of names or weights."""
    names = list(teacher_names) or [path.stem for path in files]
    if len(names) != len(files):
        raise UserError(f"--teacher_names must be one name per file, got {len(names)} names for {len(files)} files")
    check_weights(weights, len(files))
    return names


@contextlib.contextmanager
def working_folder(store: Path) -> Iterator[Path]:
    """Yields a temporary folder beside a store of soft targets, whose lock is held."""
    with contextlib.ExitStack() as held:
        held.enter_context(locked_path(store, f"--output_dir {store.parent}, {store.name}"))
        yield Path(held.enter_context(tempfile.TemporaryDirectory(prefix=f".{store.name}.", dir=store.parent)))


class Imported(NamedTuple):
    """What was imported, in temporary files."""

    predictions: np.ndarray  # Float32 [examples, num_outputs].
    variances: np.ndarray  # Float32 [examples].
    records: list[dict[str, Any]]  # What the manifest says of each teacher beside name and weight.
    details: dict[str, Any]  # Further fields of the manifest.

    def teachers(self, names: Sequence[str], weights: Sequence[float] | None) -> list[dict[str, Any]]:
        """Returns what the manifest says of each teacher."""
        of = zip(names, self.records, weights or [1.0] * len(names))
        return [teacher_record(name, weight, **record) for name, record, weight in of]


def imported(
    importing: Importing, task: Task, names: Sequence[str], weights: Sequence[float] | None, folder: Path
) -> Imported:
    """Returns the average of teachers, with their agreement with gold."""
    tables, records = zip(*importing.teachers())
    predictions = [table.predictions for table in tables]
    averaged = disk_array(folder, predictions[0].shape)
    variances = disk_array(folder, averaged.shape[:1])
    for block in row_blocks(len(averaged)):
        given = [of_table[block] for of_table in predictions]
        averaged[block] = average_predictions(given, weights)
        within = np.stack([table.variances[block] for table in tables])
        variances[block] = prediction_variance(given, weights, within=within)
    agreement = _agreements(task, importing.rows, names, records, predictions, averaged)
    details: dict[str, Any] = {"agreement": agreement} if agreement else {}
    if any(table.teachers > 1 for table in tables):
        details[PER_EXAMPLE] = sum(table.teachers for table in tables)
    return Imported(averaged, variances, list(records), details)


def _agreements(
    task: Task,
    rows: Rows,
    names: Sequence[str],
    records: Sequence[dict[str, Any]],
    predictions: Sequence[np.ndarray],
    averaged: np.ndarray,
) -> list[dict[str, Any]]:
    """Returns the agreement with gold of each calibrated teacher on its split, and of all and their average on rows."""
    found = []
    for name, record in zip(names, records):
        calibration = record.get("calibration", {})
        for when in ("before", "after") if calibration else ():
            where = f"{calibration['split']}, {when} calibration"
            found.append({"teacher": name, "split": where, **calibration[when]})
    several = {AVERAGE: averaged} if len(names) > 1 else {}
    for name, of in [*zip(names, predictions), *several.items()]:
        agreement = gold_agreement(task, of, rows.labels, rows.queries)
        if agreement is not None:
            found.append({"teacher": name, "split": rows.split, **agreement})
    return found
