"""The names that metrics of splits go by."""

from __future__ import annotations

from mtdnn_tf.tasks.task import Task


def result_name(task: Task, split: str) -> str:
    """Returns the name of a split's metrics: the task's, with the split's where the task has several."""
    return task.name if task.evaluation_splits == (split,) else f"{task.name}/{split}"


def task_of_result(name: str) -> str:
    """Returns the name of the task whose metrics go by this name."""
    return name.split("/")[0]
