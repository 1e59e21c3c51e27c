"""Tasks of a trained run by name, read from the files that the run was trained with or from others."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from mtdnn_tf.errors import UserError, unknown_name
from mtdnn_tf.modeling.checkpoints.model_folder import read_tasks
from mtdnn_tf.tasks.registry import get_task, select_tasks, task_names
from mtdnn_tf.tasks.task import Task


def tasks_of_run(run: Path, names: Sequence[str], task_files: Sequence[Path]) -> list[Task]:
    """Returns tasks of a run, or built-in tasks that one of its heads answers.

    Args:
        run: Folder of a trained run.
        names: Names of the tasks, in the order wanted; empty for all tasks of the run.
        task_files: Task files that declare the tasks, read if one of these is asked for; empty for tasks as the model
            folder describes them, with files relative to the data folder.
    """
    trained = {task.name: task for task in read_tasks(run)}
    built_in = {name: task for name in task_names() if (task := get_task(name)).head_task in trained}
    accepted = {**trained, **built_in} if names else trained
    for number, name in enumerate(names):
        if name not in accepted:
            raise unknown_name(f"task of run {run}", name, accepted)
        if name in names[:number]:
            raise UserError(f"--tasks must name each task once, got {','.join(names)}")
    asked = [accepted[name] for name in names or trained]
    if not task_files or all(task.name in built_in for task in asked):
        return asked
    for path in task_files:
        if not path.is_file():
            raise UserError(
                f"{path}: no such file; it declares tasks of run {run}; --task_file must name it, or --data_dir the "
                "folder of the tasks' data files"
            )
    declared = {task.name: task for task in select_tasks([], task_files)}
    for task in asked:
        if task.name not in built_in and task.name not in declared:
            raise UserError(
                f"{', '.join(map(str, task_files))}: task {task.name!r} of run {run} is not declared; --task_file must "
                f"name a task file that declares it, got tasks {', '.join(declared)}"
            )
    return [declared.get(task.name, task) for task in asked]
