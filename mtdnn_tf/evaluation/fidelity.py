"""How closely a student follows the ensemble that taught it (Stanton et al. 2021, arXiv 2106.05945)."""

from __future__ import annotations

import numpy as np
from scipy import stats

from mtdnn_tf.distillation.candidate_lists import list_sums
from mtdnn_tf.tasks.task import CLASSIFICATION, RANKING, Task

_SMALLEST = 1e-30


def agreement(task: Task, student: np.ndarray, teacher: np.ndarray, queries: np.ndarray | None = None) -> float | None:
    """Returns how often student and teacher answer alike.

    Args:
        task: The task.
        student: Float [rows, num_outputs]: probabilities or scores.
        teacher: As `student`.
        queries: Of a ranking, the number of each row's query, int [rows].

    Returns:
        The share of examples with the same most probable label; of a ranking, of queries with the same first candidate;
        of a regression Pearson's correlation of the scores, None where either side's are all alike.
    """
    if task.kind == CLASSIFICATION:
        return float(np.mean(student.argmax(axis=1) == teacher.argmax(axis=1)))
    if task.kind == RANKING:
        assert queries is not None
        lists = [np.flatnonzero(queries == query) for query in np.unique(queries)]
        return float(np.mean([student[rows, 0].argmax() == teacher[rows, 0].argmax() for rows in lists]))
    if np.ptp(student) == 0 or np.ptp(teacher) == 0:
        return None
    return float(stats.pearsonr(student[:, 0], teacher[:, 0]).statistic)


def divergence(task: Task, student: np.ndarray, teacher: np.ndarray, queries: np.ndarray | None = None) -> float | None:
    """Returns the mean KL(teacher || student) of an example, in nats; None for a regression: it has no probabilities.

    Args:
        task: The task.
        student: Float [rows, num_outputs].
        teacher: As `student`.
        queries: Of a ranking, the number of each row's query, from 0, int [rows].
    """
    p, q = (np.maximum(np.asarray(values, np.float64), _SMALLEST) for values in (teacher, student))
    terms = (p * np.log(p / q)).sum(axis=1)
    if task.kind == RANKING:
        assert queries is not None
        return float(list_sums(terms, queries).mean())
    return float(terms.mean()) if task.kind == CLASSIFICATION else None


def gain_kept(baseline: float, ensemble: float, student: float) -> float | None:
    """Returns the share of the ensemble's gain over a single model that the student keeps.

    Args:
        baseline: Score of the model that is trained as the student, without teachers.
        ensemble: Score of the ensemble.
        student: Score of the student.

    Returns:
        (student - baseline) / (ensemble - baseline); None where the ensemble gains nothing, of which there is no share.
    """
    return (student - baseline) / (ensemble - baseline) if ensemble > baseline else None
