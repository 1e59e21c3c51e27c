"""The tasks that are known by name."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from pathlib import Path

from mtdnn_tf.errors import UserError, unknown_name
from mtdnn_tf.tasks.task import Task
from mtdnn_tf.tasks.task_file import load_task_file

_BUILT_IN = ("glue.yaml", "nli.yaml", "superglue.yaml")


@functools.cache
def _tasks() -> dict[str, Task]:
    """Returns the built-in tasks by name."""
    files = (load_task_file(Path(__file__).with_name(name), is_built_in=True) for name in _BUILT_IN)
    return {task.name: task for tasks in files for task in tasks}


def get_task(name: str) -> Task:
    """Returns the built-in task of this name."""
    if name not in _tasks():
        raise unknown_name("task", name, _tasks())
    return _tasks()[name]


def task_names() -> list[str]:
    """Returns the names of all built-in tasks in order."""
    return list(_tasks())


def select_tasks(names: Sequence[str], task_files: Sequence[Path]) -> list[Task]:
    """Returns tasks by name, from the built-in ones and those of the user's task files; all of the files' by default.

    Raises:
        UserError: A name is unknown or given twice, a task file declares a name that another file or a built-in task
            has, or there is neither a name nor a task file.
    """
    declared: dict[str, Task] = {}
    for path in task_files:
        for task in load_task_file(path):
            if task.name in _tasks():
                raise UserError(f"{path}: task {task.name!r} is one of mtdnn_tf's own; give yours another name")
            if task.name in declared:
                raise UserError(f"{path}: task {task.name!r} is declared in another task file too; rename one")
            declared[task.name] = task
    known = {**_tasks(), **declared}
    if not names and not declared:
        raise UserError(f"no task given; name one or more of {', '.join(known)}, or give a task file")
    selected: dict[str, Task] = {}
    for name in names or declared:
        if name not in known:
            raise unknown_name("task", name, known)
        if name in selected:
            raise UserError(f"duplicate task {name!r}")
        selected[name] = known[name]
    return list(selected.values())
