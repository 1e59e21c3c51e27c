"""Tasks and tables of the Python interface as the files that trainings read."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Union

import yaml

from mtdnn_tf.api.tables import Table, is_table, write_table
from mtdnn_tf.api.tasks import TaskDeclaration
from mtdnn_tf.errors import UserError, unknown_name
from mtdnn_tf.files import write_text
from mtdnn_tf.tasks.task import TRAIN

INPUTS = "inputs"
# Tables by task, or by task and split; a single table is the training split.
Data = Mapping[str, Union[Table, Mapping[str, Table]]]
Tasks = Union[str, Path, TaskDeclaration, Sequence[Union[str, Path, TaskDeclaration]]]


def task_options(tasks: Tasks, data: Data | None, folder: Path) -> dict[str, Any]:
    """Returns the options `tasks` and `task_file` for tasks given in Python.

    Args:
        tasks: Declarations, task files (.yaml), or names of built-in tasks; one or several.
        data: The tables of the declared tasks.
        folder: Folder of a run, in which the tables and a task file are written.

    Raises:
        UserError: A declared task has no training table, a table is of no declared task, or a table is not accepted.
    """
    given = [tasks] if isinstance(tasks, (str, Path, TaskDeclaration)) else list(tasks)
    declared = {task.name: task for task in given if isinstance(task, TaskDeclaration)}
    files = [Path(task).expanduser() for task in given if not isinstance(task, TaskDeclaration) and _is_file(task)]
    built_in = [str(task) for task in given if not isinstance(task, TaskDeclaration) and not _is_file(task)]
    for name in data or {}:
        if name not in declared:
            raise unknown_name("task of `data`", name, declared)
    entries = {}
    for name, task in declared.items():
        tables = splits_of(name, (data or {}).get(name))
        entries[name] = task.entry(
            {
                split: str(write_table(table, task, split, folder / INPUTS, split in (TRAIN, "validation")))
                for split, table in tables.items()
            }
        )
    if entries:
        text = yaml.safe_dump({"tasks": entries}, allow_unicode=True, sort_keys=False)
        path = folder / INPUTS / f"tasks-{hashlib.sha256(text.encode()).hexdigest()[:16]}.yaml"
        if not path.is_file():
            write_text(path, text)
        files.append(path.resolve())
    # With task files alone, all of their tasks are trained.
    names = (*built_in, *declared) if built_in else ()
    return {"tasks": names, "task_file": tuple(files)}


def _is_file(task: str | Path) -> bool:
    return isinstance(task, Path) or task.endswith((".yaml", ".yml"))


def splits_of(task: str, tables: Any) -> dict[str, Table]:
    """Returns the tables of a task by split.

    Raises:
        UserError: There is no training table.
    """
    if tables is None:
        raise UserError(f"`data` must have a table for task {task!r}, got none")
    splits = {TRAIN: tables} if is_table(tables) else dict(tables)
    if TRAIN not in splits:
        raise UserError(f"`data` must have a {TRAIN!r} table for task {task!r}, got {', '.join(splits) or 'none'}")
    return splits
