"""Flags of tasks and data, for commands that take trained runs and for those that take none."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path

from mtdnn_tf.data.encoding import TaskData
from mtdnn_tf.data.settings import DataSettings, common_run_data
from mtdnn_tf.errors import UserError
from mtdnn_tf.evaluation.run_tasks import tasks_of_run
from mtdnn_tf.flags.options import define, given
from mtdnn_tf.tasks.registry import select_tasks
from mtdnn_tf.tasks.task import Task

define(DataSettings)


def settings(runs: Sequence[Path] = (), ignored: Collection[str] = ()) -> DataSettings:
    """Returns the settings of the command line; those not given are the runs' own, else the defaults.

    Args:
        runs: Runs whose settings are used; none by default.
        ignored: Names of settings that are not taken from the runs; none by default.

    Raises:
        UserError: The runs have different values of a setting that is not given.
    """
    values = given(DataSettings)
    found = DataSettings(**{**common_run_data(runs, {*values, *ignored}), **values})
    found.check_cache()
    return found


def run_inputs(runs: Sequence[Path], needs_files: bool = True) -> tuple[list[Task], TaskData]:
    """Returns the tasks and data of the command line; what is not given is the runs' own.

    Args:
        runs: Folders of trained runs, which must all have the same settings where none is given.
        needs_files: Whether the tasks' data files are read. Defaults to True.

    Returns:
        The tasks and their data, with the maximum number of word pieces per input if it is given.

    Raises:
        UserError: The runs differ, or the first of them has no such task.
    """
    values = given(DataSettings)
    # Each run encodes for itself, to the length that its model folder names.
    ignored = {"max_sequence_length"}
    if "data_dir" in values or not needs_files:
        # The files of the run's own tasks are looked for in --data_dir, as for a model folder without settings.
        ignored.add("task_file")
    chosen = settings(runs, ignored)
    names: Sequence[str] = chosen.tasks
    if not names and "task_file" in values:
        names = [task.name for task in select_tasks([], chosen.task_file)]
    tasks = tasks_of_run(runs[0], names, chosen.task_file)
    return tasks, chosen.task_data(values.get("max_sequence_length"))


def task_of_input(tasks: Sequence[Task], path: Path) -> Task:
    """Returns the only task with the only split "input", which is a file of texts; refuses several tasks."""
    if len(tasks) != 1:
        names = ", ".join(task.name for task in tasks)
        raise UserError(f"--tasks must name the one task that --input is for, got {names}")
    return tasks[0].with_input(path)
