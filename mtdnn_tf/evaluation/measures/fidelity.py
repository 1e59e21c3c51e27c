"""How closely a student follows the ensemble that taught it, and what it keeps of the ensemble's gain."""

from __future__ import annotations

import statistics
from collections.abc import Collection, Mapping
from typing import NamedTuple

import numpy as np

from mtdnn_tf.evaluation.measures.metrics import check_predictions
from mtdnn_tf.tasks.task import Task


class Fidelity(NamedTuple):
    """How closely a student's predictions follow its teacher's."""

    # Share of the same answers (Stanton et al. 2021, arXiv 2106.05945); for scores Pearson's correlation, None where it
    # is not defined.
    agreement: float | None
    divergence: float | None  # Mean KL(teacher || student), in nats; None for scores.
    mean_absolute_difference: float | None  # Between scores, in their unit; None for probabilities.
    n: int  # Number of examples, or queries.


class Gain(NamedTuple):
    """Mean scores over a group of tasks."""

    tasks: tuple[str, ...]
    baseline: float  # Of the model that is trained as the student, without teachers.
    ensemble: float | None  # None if it does not answer all of the tasks.
    student: float
    kept: float | None  # What `gain_kept` returns of them; None without an ensemble.


def fidelity(task: Task, student: np.ndarray, teacher: np.ndarray, queries: np.ndarray | None = None) -> Fidelity:
    """Returns how closely a student's predictions on a split follow its teacher's; no gold label is needed.

    Predictions and queries are as in `compute_metrics`.
    """
    kind = task.kind_object
    for predictions in (student, teacher):
        check_predictions(task, predictions, max(len(student), 1), queries, "the fidelity of student and teacher")
    return Fidelity(
        kind.agreement(student, teacher, queries),
        kind.divergence(student, teacher, queries),
        float(kind.differences(student, teacher, queries).mean()) if kind.predicts_scores else None,
        len(student) if queries is None else len(np.unique(queries)),
    )


def gain_kept(baseline: float, ensemble: float, student: float) -> float | None:
    """Returns (student - baseline) / (ensemble - baseline); None where the ensemble gains nothing."""
    # Not the contrary: nan is neither.
    return (student - baseline) / (ensemble - baseline) if ensemble > baseline else None


def grouped_gains(
    baseline: Mapping[str, float],
    ensemble: Mapping[str, float],
    student: Mapping[str, float],
    with_teacher: Collection[str],
) -> dict[str, Gain]:
    """Returns what tasks with a teacher, tasks without, and all tasks gain, by "with", "without" and "all".

    A group's share is that of the means over its tasks: the mean of the tasks' own shares would be dominated by tasks
    on which the ensemble gains next to nothing. A group without tasks is left out. Scores are by task; a task counts if
    baseline and student have it, whether or not an ensemble answers it.
    """
    tasks = [task for task in baseline if task in student]
    groups = {
        "with": [task for task in tasks if task in with_teacher],
        "without": [task for task in tasks if task not in with_teacher],
        "all": tasks,
    }
    gains = {}
    for name, members in groups.items():
        if members:
            before, after = (statistics.fmean(scores[task] for task in members) for scores in (baseline, student))
            is_answered = ensemble.keys() >= set(members)
            together = statistics.fmean(ensemble[task] for task in members) if is_answered else None
            kept = None if together is None else gain_kept(before, together, after)
            gains[name] = Gain(tuple(members), before, together, after, kept)
    return gains
