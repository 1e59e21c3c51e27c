"""How closely a student follows the ensemble that taught it, and what it keeps of the ensemble's gain."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from typing import Any, NamedTuple

import numpy as np
from scipy import stats
from scipy.special import rel_entr

from mtdnn_tf.distillation.candidate_lists import list_sums
from mtdnn_tf.distillation.ensemble import SMALLEST_PROBABILITY
from mtdnn_tf.json_values import to_json
from mtdnn_tf.tasks.task import CLASSIFICATION, RANKING, REGRESSION, Task


class Fidelity(NamedTuple):
    """How closely a student's predictions follow its teacher's.

    Attributes:
        agreement: Share of the same answers; of a regression Pearson's correlation, None where it is not defined.
        divergence: Mean KL(teacher || student), in nats; None of a regression.
        mean_absolute_difference: Of a regression, between the scores, in their unit; None of other kinds.
        n: Number of examples, or queries.
    """

    agreement: float | None
    divergence: float | None
    mean_absolute_difference: float | None
    n: int

    def to_json(self) -> dict[str, Any]:
        """Returns the fields as JSON values, None for nan."""
        return dict(to_json(self))


class Gain(NamedTuple):
    """What a group of tasks gains from the ensemble, and from the student.

    Attributes:
        tasks: Names of the tasks.
        baseline: Mean over the tasks of the model that is trained as the student, without teachers.
        ensemble: Of the ensemble; None if it does not answer them all.
        student: Of the student.
        kept: Share of the ensemble's gain over the baseline that the student keeps; None where it gains nothing.
    """

    tasks: tuple[str, ...]
    baseline: float
    ensemble: float | None
    student: float
    kept: float | None

    def to_json(self) -> dict[str, Any]:
        """Returns the fields as JSON values, None for nan."""
        return dict(to_json(self))


def fidelity(task: Task, student: np.ndarray, teacher: np.ndarray, queries: np.ndarray | None = None) -> Fidelity:
    """Returns how closely a student's predictions on a split follow its teacher's; no gold label is needed.

    Args:
        task: The task.
        student: Float [rows, num_outputs]: probabilities or scores.
        teacher: As `student`.
        queries: Of a ranking, the number of each row's query, from 0, int [rows].
    """
    return Fidelity(
        agreement(task, student, teacher, queries),
        divergence(task, student, teacher, queries),
        mean_absolute_difference(student, teacher) if task.kind == REGRESSION else None,
        len(student) if queries is None else len(np.unique(queries)),
    )


def agreement(task: Task, student: np.ndarray, teacher: np.ndarray, queries: np.ndarray | None = None) -> float | None:
    """Returns how often student and teacher answer alike (Stanton et al. 2021, arXiv 2106.05945).

    Args:
        task: The task.
        student: Float [rows, num_outputs]: probabilities or scores.
        teacher: As `student`.
        queries: Of a ranking, the number of each row's query, int [rows].

    Returns:
        The share of examples with the same most probable label; of a ranking, of queries with the same first candidate;
        of a regression Pearson's correlation of the scores, None where either side's are all alike.
    """
    _check(task, student, teacher, queries)
    if task.kind == CLASSIFICATION:
        return float(np.mean(student.argmax(axis=1) == teacher.argmax(axis=1)))
    if queries is not None:
        by_query = np.argsort(queries, kind="stable")
        lists = np.split(by_query, np.flatnonzero(np.diff(queries[by_query])) + 1)
        return float(np.mean([student[rows, 0].argmax() == teacher[rows, 0].argmax() for rows in lists]))
    if np.ptp(student) == 0 or np.ptp(teacher) == 0:
        return None
    return float(stats.pearsonr(student[:, 0].astype(np.float64), teacher[:, 0].astype(np.float64)).statistic)


def divergence(task: Task, student: np.ndarray, teacher: np.ndarray, queries: np.ndarray | None = None) -> float | None:
    """Returns the mean KL(teacher || student) of examples or queries, in nats; None of a regression.

    A student's probability below 1e-30 counts as 1e-30, so that the divergence is finite.

    Args:
        task: The task.
        student: Float [rows, num_outputs].
        teacher: As `student`.
        queries: Of a ranking, the number of each row's query, from 0, int [rows].
    """
    _check(task, student, teacher, queries)
    if task.kind == REGRESSION:
        return None
    sides = [np.asarray(side, np.float64) for side in (teacher, student)]
    # Sums that float32 rounds would make a divergence a little below 0.
    if queries is None:
        of_teacher, of_student = (side / side.sum(axis=1, keepdims=True) for side in sides)
        return float(rel_entr(of_teacher, np.maximum(of_student, SMALLEST_PROBABILITY)).sum(axis=1).mean())
    of_teacher, of_student = (side[:, 0] / list_sums(side[:, 0], queries)[queries] for side in sides)
    terms = rel_entr(of_teacher, np.maximum(of_student, SMALLEST_PROBABILITY))
    return float(terms.sum() / len(np.unique(queries)))


def mean_absolute_difference(student: np.ndarray, teacher: np.ndarray) -> float:
    """Returns the mean of |student - teacher|, in the unit of the scores."""
    return float(np.abs(np.asarray(student, np.float64) - np.asarray(teacher, np.float64)).mean())


def gain_kept(baseline: float, ensemble: float, student: float) -> float | None:
    """Returns the share of the ensemble's gain over a single model that the student keeps.

    Args:
        baseline: Score of the model that is trained as the student, without teachers.
        ensemble: Score of the ensemble.
        student: Score of the student.

    Returns:
        (student - baseline) / (ensemble - baseline), above 1 where the student is better than the ensemble, below 0
        where it is worse than the baseline; None where the ensemble gains nothing, of which there is no share.
    """
    # Not the contrary: nan is neither.
    return (student - baseline) / (ensemble - baseline) if ensemble > baseline else None


def grouped_gains(
    baseline: Mapping[str, float],
    ensemble: Mapping[str, float],
    student: Mapping[str, float],
    with_teacher: Collection[str],
) -> dict[str, Gain]:
    """Returns what tasks with a teacher, tasks without, and all tasks gain, by "with", "without" and "all".

    The share that a group keeps is that of the means over its tasks: the mean of the tasks' own shares would be ruled
    by those of which the ensemble gains next to nothing.

    Args:
        baseline: Score by task.
        ensemble: Score by task; a task that no ensemble answers may be missing.
        student: Score by task.
        with_teacher: Names of the tasks with a teacher.

    Returns:
        The groups that have tasks; a task counts if baseline and student both have it.
    """
    tasks = [task for task in baseline if task in student]
    groups = {
        "with": [task for task in tasks if task in with_teacher],
        "without": [task for task in tasks if task not in with_teacher],
        "all": tasks,
    }
    return {name: _gain(members, baseline, ensemble, student) for name, members in groups.items() if members}


def _gain(
    tasks: Collection[str], baseline: Mapping[str, float], ensemble: Mapping[str, float], student: Mapping[str, float]
) -> Gain:
    before, after = (math.fsum(scores[task] for task in tasks) / len(tasks) for scores in (baseline, student))
    if any(task not in ensemble for task in tasks):
        return Gain(tuple(tasks), before, None, after, None)
    together = math.fsum(ensemble[task] for task in tasks) / len(tasks)
    return Gain(tuple(tasks), before, together, after, gain_kept(before, together, after))


def _check(task: Task, student: np.ndarray, teacher: np.ndarray, queries: np.ndarray | None) -> None:
    if student.shape != teacher.shape or student.shape[1:] != (task.num_outputs,) or not len(student):
        raise ValueError(
            f"task {task.name}: student and teacher predict the same rows, one or more, {task.num_outputs} outputs "
            f"each; {list(student.shape)} and {list(teacher.shape)} given"
        )
    if (queries is not None) != (task.kind == RANKING):
        raise ValueError(f"task {task.name}: the fidelity of a ranking, and of no others, takes the query of each row")
