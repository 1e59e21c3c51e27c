"""The tasks that are known by name."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from mtdnn_tf.errors import UserError, unknown_name
from mtdnn_tf.tasks.glue import GLUE_TASKS, MNLI_MATCHED, MNLI_MISMATCHED
from mtdnn_tf.tasks.nli import NLI_TASKS
from mtdnn_tf.tasks.superglue import SUPERGLUE_TASKS
from mtdnn_tf.tasks.task import Task
from mtdnn_tf.tasks.task_file import load_task_file

_TASKS: dict[str, Task] = {}


def register(task: Task) -> Task:
    """Makes a task known by its name.

    Returns:
        The task.

    Raises:
        UserError: A task of this name is known already.
    """
    if task.name in _TASKS:
        raise UserError(f"task {task.name!r} is registered already; give it another name")
    _TASKS[task.name] = task
    return task


def get_task(name: str) -> Task:
    """Returns the task of this name.

    Raises:
        UserError: No task has this name.
    """
    if name not in _TASKS:
        raise unknown_name("task", name, _TASKS)
    return _TASKS[name]


def task_names() -> list[str]:
    """Returns the names of all registered tasks, in the order of their registration."""
    return list(_TASKS)


def select_tasks(names: Sequence[str], task_files: Sequence[Path]) -> list[Task]:
    """Returns tasks by name, from the registered ones and those of the user's task files.

    Args:
        names: Names of the tasks, in the order wanted; empty for all tasks of the task files.
        task_files: The user's task files.

    Raises:
        UserError: A name is unknown or given twice, a task file declares a name that another file or a
            registered task has, or there is neither a name nor a task file.
    """
    declared: dict[str, Task] = {}
    for path in task_files:
        for task in load_task_file(path):
            if task.name in _TASKS:
                raise UserError(f"{path}: task {task.name!r} is one of mtdnn_tf's own; give yours another name")
            if task.name in declared:
                raise UserError(f"{path}: task {task.name!r} is declared in another task file too; rename one")
            declared[task.name] = task
    known = {**_TASKS, **declared}
    if not names and not declared:
        raise UserError(f"no task given; name one or more of {', '.join(known)}, or give a task file")
    selected: dict[str, Task] = {}
    for name in names or declared:
        if name not in known:
            raise unknown_name("task", name, known)
        if name in selected:
            raise UserError(f"task {name!r} is given twice; name each task once")
        selected[name] = known[name]
    return list(selected.values())


for _task in (*GLUE_TASKS, MNLI_MATCHED, MNLI_MISMATCHED, *NLI_TASKS, *SUPERGLUE_TASKS):
    register(_task)
