"""Tasks and data of commands that take trained runs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from flags import data
from mtdnn_tf.data.sources import DataSource
from mtdnn_tf.evaluation.run_tasks import tasks_of_run
from mtdnn_tf.tasks.registry import select_tasks
from mtdnn_tf.tasks.task import Task


class RunInputs(NamedTuple):
    """What a command reads with trained runs.

    Attributes:
        tasks: The tasks.
        source: Where examples come from.
        cache_dir: Folder of encoded data.
        max_sequence_length: Longest input, in word pieces; None for what each run was trained on.
    """

    tasks: list[Task]
    source: DataSource
    cache_dir: Path
    max_sequence_length: int | None


def run_inputs(runs: Sequence[Path], needs_files: bool = True) -> RunInputs:
    """Returns the tasks and data of the command line; what is not given is the runs' own.

    Args:
        runs: Folders of trained runs, of which all must have the same settings where none is given.
        needs_files: Whether the tasks' data files are read. Defaults to True.

    Raises:
        UserError: The runs differ, or the first of them has no such task.
    """
    given = data.given()
    # Each run encodes for itself, to the length that its model folder names.
    ignored = {"max_sequence_length"}
    if "data_dir" in given or not needs_files:
        # The files of the run's own tasks are looked for in --data_dir, as for a model folder without settings.
        ignored.add("task_file")
    settings = data.settings(runs, ignored)
    names = data.TASKS.value
    if not names and "task_file" in given:
        names = [task.name for task in select_tasks([], settings.task_file)]
    tasks = tasks_of_run(runs[0], names, settings.task_file)
    return RunInputs(tasks, settings.source, settings.cache_dir, data.MAX_SEQUENCE_LENGTH.value)
