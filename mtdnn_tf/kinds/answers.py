"""Probabilities of a teacher that answers with labels: smoothed votes and labels, and top log probabilities.

None is 0: the cross-entropy of a student has no bound where a teacher excludes what is true.
"""

from __future__ import annotations

import numpy as np


def smoothed_votes(votes: np.ndarray, answers: np.ndarray, alternatives: int, smoothing: float) -> np.ndarray:
    """Returns (n + a) / (k + a L), the mean of the probabilities under a symmetric Dirichlet prior, of `votes`' shape.

    With a = 1 this is Laplace's rule of succession (Manning, Raghavan and Schuetze 2008, Introduction to Information
    Retrieval, sec. 13.2).

    Args:
        votes: Number n of answers for each label, float [examples, labels].
        answers: Number k of answers per example, float [examples].
        alternatives: Number L of labels that an answer chooses from.
        smoothing: Votes a that each label has in advance, above 0.
    """
    return np.asarray((votes + smoothing) / (answers[:, np.newaxis] + smoothing * alternatives))


def smoothed_labels(is_given: np.ndarray, alternatives: int, smoothing: float) -> np.ndarray:
    """Returns 1 - e for each label that is given, and e / (L - 1) for the others, of `is_given`'s shape.

    As label smoothing (Szegedy et al. 2016, arXiv 1512.00567 sec. 7), except that e is shared by the other labels only.

    Args:
        is_given: Whether a label is the teacher's, bool [examples, labels].
        alternatives: Number L of labels that an answer chooses from.
        smoothing: Probability e that the answer is wrong, above 0.
    """
    return np.where(is_given, 1.0 - smoothing, smoothing / (alternatives - 1))


def top_probabilities(logs: np.ndarray) -> np.ndarray:
    """Returns probabilities from the log probabilities of the most probable labels, of the same shape.

    What is missing from a sum of 1 is shared equally by the labels that are not given, none of which gets more than the
    least probable label that is. Each row is then divided by its sum.

    Args:
        logs: Float [examples, labels], one or more per row; nan for labels that are not given.
    """
    is_missing = np.isnan(logs)
    given = np.where(is_missing, 0.0, np.exp(logs))
    left = np.maximum(1.0 - given.sum(axis=1), 0.0) / np.maximum(is_missing.sum(axis=1), 1)
    least = np.where(is_missing, np.inf, given).min(axis=1)
    completed = np.where(is_missing, np.minimum(left, least)[:, np.newaxis], given)
    return np.asarray(completed / completed.sum(axis=1, keepdims=True))
