"""Metrics of rankings, averaged over queries."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy.stats import rankdata
from sklearn.metrics import label_ranking_average_precision_score


def _ranks(scores: np.ndarray) -> np.ndarray:
    """Returns each candidate's rank from 1; candidates of one score all have the lowest place among them.

    A model that scores all candidates alike has ranked none, wherever the file happens to list the relevant one.
    """
    return np.asarray(rankdata(-scores, method="max"))


def _reciprocal_rank(relevant: np.ndarray, scores: np.ndarray) -> float:
    return float(1.0 / _ranks(scores)[relevant].min())


def _average_precision(relevant: np.ndarray, scores: np.ndarray) -> float:
    return float(label_ranking_average_precision_score([relevant], [scores]))


def _accuracy_at_1(relevant: np.ndarray, scores: np.ndarray) -> float:
    return float(_ranks(scores)[relevant].min() == 1)


RANKING_METRICS: dict[str, Callable[[np.ndarray, np.ndarray], float]] = {
    "mrr": _reciprocal_rank,
    "map": _average_precision,
    "accuracy_at_1": _accuracy_at_1,
}


def mean_over_queries(metric: str, relevant: np.ndarray, scores: np.ndarray, queries: np.ndarray) -> float:
    """Returns a metric's mean over queries that each have one relevant candidate or more.

    Args:
        metric: "mrr", "map" or "accuracy_at_1".
        relevant: Whether each candidate is relevant, bool [rows].
        scores: Of each candidate, float [rows].
        queries: Number of each candidate's query, int [rows].
    """
    by_query = np.argsort(queries, kind="stable")
    starts = np.flatnonzero(np.diff(queries[by_query])) + 1
    function = RANKING_METRICS[metric]
    return float(np.mean([function(relevant[rows], scores[rows]) for rows in np.split(by_query, starts)]))
