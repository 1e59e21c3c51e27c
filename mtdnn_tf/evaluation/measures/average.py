"""The average over tasks, as GLUE's leaderboard computes it (Wang et al. 2018, arXiv 1804.07461 sec. 3).

A task counts once: the mean of its metrics, and of its splits where it has several, as MNLI has. What another task's
head answers, such as a diagnostic set, counts in no average.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import NamedTuple

from mtdnn_tf.tasks.registry import get_task, task_names
from mtdnn_tf.tasks.task import Task

Metrics = Mapping[str, float]
GLUE_SCORE = "GLUE score"


def result_name(task: Task, split: str) -> str:
    """Returns the name of a split's metrics: the task's, with the split's where the task has several."""
    return task.name if task.evaluation_splits == (split,) else f"{task.name}/{split}"


def task_of_result(name: str) -> str:
    """Returns the name of the task whose metrics go by this name."""
    return name.split("/")[0]


_ANSWERED_BY_OTHERS = {name for name in task_names() if get_task(name).head_of is not None}
_GLUE = [task for task in map(get_task, task_names()) if task.submission and task.head_of is None]
# The benchmark's score is that of its development sets, or of its test sets, and never of a mixture.
_WHOLE_BENCHMARKS = (
    {result_name(task, split) for task in _GLUE for split in task.evaluation_splits},
    {result_name(task, split) for task in _GLUE for split in task.submission},
)


class Average(NamedTuple):
    """An average over tasks in the unit of the metrics, and what `average_name` calls it."""

    name: str
    score: float


def result_score(metrics: Metrics) -> float:
    """Returns the score of one task and split: the mean of its metrics."""
    return _mean(list(metrics.values()))


def counts_in_average(result: str) -> bool:
    """Returns whether a result, by its name, is that of a task with a head of its own."""
    return task_of_result(result) not in _ANSWERED_BY_OTHERS


def average_name(result_names: Collection[str]) -> str | None:
    """Returns "GLUE score" for the results of exactly the nine tasks of GLUE, else "average of N tasks", or None."""
    counted = set(filter(counts_in_average, result_names))
    if not counted:
        return None
    if counted in _WHOLE_BENCHMARKS:
        return GLUE_SCORE
    tasks = len({task_of_result(name) for name in counted})
    return f"average of {tasks} task{'s' if tasks > 1 else ''}"


def average(results: Mapping[str, Metrics]) -> Average | None:
    """Returns the average over the tasks of metrics by result name; None if there is nothing to average."""
    name = average_name(results)
    if name is None:
        return None
    by_task: dict[str, list[float]] = {}
    for result, metrics in results.items():
        if counts_in_average(result):
            by_task.setdefault(task_of_result(result), []).append(result_score(metrics))
    return Average(name, _mean([_mean(scores) for scores in by_task.values()]))


def _mean(values: list[float]) -> float:
    return sum(values) / len(values)
