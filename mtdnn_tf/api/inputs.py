"""Tasks and tables of the Python interface as the files that trainings read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Union

import yaml

from mtdnn_tf.api.tables import Table, is_table, write_named_by_content, write_table
from mtdnn_tf.api.tasks import TaskDeclaration
from mtdnn_tf.errors import UserError, unknown_name
from mtdnn_tf.files import user_path
from mtdnn_tf.tasks.task import TRAIN, Task

INPUTS = "inputs"
# Tables by task, or by task and split; a single table is that of the split that a call reads.
Data = Mapping[str, Union[Table, Mapping[str, Table]]]
Tasks = Union[str, Path, TaskDeclaration, Sequence[Union[str, Path, TaskDeclaration]]]


def task_options(tasks: Tasks, data: Data | None, folder: Path, scored: str | None = None) -> dict[str, Any]:
    """Returns the options `tasks` and `task_file` for tasks given in Python; an option without a value is left out.

    Args:
        tasks: Declarations, task files (.yaml), or names of built-in tasks; one or several.
        data: The tables of the declared tasks.
        folder: Folder of a run, in which the tables and a task file are written.
        scored: The split to score, which a single table is of; by default the tasks are trained.

    Raises:
        UserError: A declared task lacks the table that is needed, or a table is of no declared task or not accepted.
    """
    given = [tasks] if isinstance(tasks, (str, Path, TaskDeclaration)) else list(tasks)
    declared = {task.name: task for task in given if isinstance(task, TaskDeclaration)}
    others = [task for task in given if not isinstance(task, TaskDeclaration)]
    files = [user_path(str(task)).resolve() for task in others if _is_file(task)]
    built_in = [str(task) for task in others if not _is_file(task)]
    tables = data or {}
    for name in tables:
        if name not in declared:
            raise unknown_name("task of `data`", name, declared)
    if declared:
        files.append(_write_task_file(declared, tables, folder / INPUTS, scored))
    # With task files alone, all of their tasks are trained.
    options = {"tasks": (*built_in, *declared) if built_in else (), "task_file": tuple(files)}
    return {name: value for name, value in options.items() if value}


def _is_file(task: str | Path) -> bool:
    return isinstance(task, Path) or task.endswith((".yaml", ".yml"))


def _write_task_file(declared: Mapping[str, TaskDeclaration], data: Data, folder: Path, scored: str | None) -> Path:
    """Writes the tables of tasks and the task file that lists them; returns the task file."""
    entries = {}
    for name, task in declared.items():
        labelled = (TRAIN, *task.options.get("evaluation_splits", Task.evaluation_splits))
        paths = {
            other: str(write_table(table, task, other, folder, other in labelled))
            for other, table in _splits_of(name, data.get(name), scored or TRAIN).items()
        }
        entries[name] = task.entry(paths)
        if scored:
            entries[name].pop("evaluation_splits", None)
    text = yaml.safe_dump({"tasks": entries}, allow_unicode=True, sort_keys=False)
    return write_named_by_content(folder, "tasks", ".yaml", text)


def _splits_of(task: str, tables: Any, needed: str) -> dict[str, Table]:
    """Returns the tables of a task by split; refuses tables without the split `needed`."""
    if tables is None:
        raise UserError(f"`data` must have a table for task {task!r}, got none")
    splits = {needed: tables} if is_table(tables) else dict(tables)
    if needed not in splits:
        raise UserError(f"`data` must have a {needed!r} table for task {task!r}, got {', '.join(splits) or 'none'}")
    return splits
