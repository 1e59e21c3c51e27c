"""The two stages of a command on Beam: the rows of a split are read and divided, then each range is predicted."""

from __future__ import annotations

import dataclasses
import logging
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from mtdnn_tf.beam.options import BeamOptions
from mtdnn_tf.beam.range_folders import RangeFolders
from mtdnn_tf.beam.range_work import RangeWork, build_work
from mtdnn_tf.beam.row_ranges import RowRanges
from mtdnn_tf.beam.running import progress_logged, run_pipeline
from mtdnn_tf.data.sources.files_source import refuse_duplicate_ids, split_shards
from mtdnn_tf.errors import UserError
from mtdnn_tf.json_files import fingerprint
from mtdnn_tf.tasks.task import Task

_FOLDER = "_beam"
_ROWS, _DONE = "rows", "ranges"
_log = logging.getLogger("absl")


class RowsRead(NamedTuple):
    """The rows of a split, divided by ranges of their ids."""

    ranges: RowRanges
    rows: int
    data_fingerprint: str  # As of `EncodedSplit`.
    data_sum: str  # The `RowSum` of the rows.
    unreadable: int  # Number of rows that were left out.


def check_readable(tasks: Sequence[Task], split: str, data_dir: Path, options: BeamOptions) -> None:
    """Refuses tasks without files of a split, and to leave out rows where the numbers of rows are ids."""
    for task in tasks:
        split_shards(task, split, data_dir)
        if task.has_row_ids and options.max_unreadable_rows:
            raise UserError(
                f"`max_unreadable_rows={options.max_unreadable_rows}` needs ids of a column or hashes, got "
                f"task {task.name} whose ids are row numbers"
            )


@dataclasses.dataclass(frozen=True)
class SplitStages:
    """The stages of one split of a task.

    Attributes:
        task: The task, which is read from files.
        split: The split.
        data_dir: Folder of the data.
        output_dir: Folder of what the command writes. All workers must see it, the data and the models under the same
            path. What is written on the way is in `<output_dir>/_beam/<task>-<split>`.
        options: How the rows are divided, and the runner.
    """

    task: Task
    split: str
    data_dir: Path
    output_dir: Path
    options: BeamOptions

    @property
    def _folder(self) -> Path:
        return (self.output_dir / _FOLDER / f"{self.task.name}-{self.split}").resolve()

    @property
    def _name(self) -> str:
        return f"{self.task.name} {self.split}"

    def read(self) -> RowsRead:
        """Reads and divides the rows.

        Raises:
            UserError: Ids are duplicates, more rows cannot be read than may be left out, or the pipeline failed.
        """
        folder = self._folder / _ROWS
        ranges = RowRanges(folder, self.task, self.split, self.data_dir.resolve(), self.options.num_shards)
        shutil.rmtree(folder, ignore_errors=True)
        run_pipeline(self.options, ranges.build, f"reading {self._name}")
        unreadable = self._check_rows(ranges)
        rows, data_fingerprint, data_sum = ranges.digests()
        if not rows:
            raise UserError(f"no example of task {self.task.name}, split {self.split}; a split must have one or more")
        return RowsRead(ranges, rows, data_fingerprint, data_sum, unreadable)

    def folders(self, files: Sequence[str], decisive: Mapping[str, object], read: RowsRead) -> RangeFolders:
        """Returns where ranges are that are predicted; `decisive` are JSON values that decide their files."""
        task = self.task
        of_task = [task.name, task.kind, list(task.text), list(task.labels), task.head_task, list(task.head_labels)]
        identity = {
            "data": read.data_fingerprint,
            "task": of_task,
            "batch_size": self.options.batch_size,
            "num_shards": self.options.num_shards,
            **decisive,
        }
        return RangeFolders(self._folder / _DONE, fingerprint(identity), tuple(files))

    def work(self, read: RowsRead, work: RangeWork, what: str) -> None:
        """Works on all ranges but those that an earlier call has done; `what` begins the lines of the log."""
        what, count = f"{what} {self._name}, ranges of {read.rows} rows", self.options.num_shards
        if done := len(work.folders.done(count)):
            _log.info("%s: %d of %d ranges were done before", work.folders.folder, done, count)
        with progress_logged(work.folders.written, count, what):
            run_pipeline(self.options, lambda pipeline: build_work(pipeline, read.ranges, work), what)
        if (found := sum(map(work.folders.rows, range(count)))) != read.rows:
            raise UserError(f"{work.folders.folder}: must have {read.rows} rows, got {found}; run the command again")

    def remove(self, read: RowsRead) -> None:
        """Removes what was written on the way, but the list of rows that cannot be read."""
        for part in (_DONE,) if read.unreadable else (_ROWS, _DONE):
            shutil.rmtree(self._folder / part, ignore_errors=True)

    def _check_rows(self, ranges: RowRanges) -> int:
        """Returns the number of rows that cannot be read; refuses too many, and duplicate ids."""
        task, split, most = self.task, self.split, self.options.max_unreadable_rows
        unreadable = ranges.unreadable()
        for row in unreadable:
            if row.ends_file:
                raise UserError(row.problem)
        if len(unreadable) > most:
            raise UserError(
                f"{len(unreadable)} row(s) of task {task.name}, split {split} cannot be read, "
                f"`max_unreadable_rows={most}` may be left out; listed in {ranges.unreadable_file}; the first: "
                f"{unreadable[0].problem}"
            )
        if duplicates := ranges.duplicates():
            refuse_duplicate_ids(task, split, self.data_dir, duplicates, lambda error: None)
            raise UserError(f"task {task.name}, split {split}: duplicate id {duplicates[0]!r}; ids must be unique")
        return len(unreadable)
