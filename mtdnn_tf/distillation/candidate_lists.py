"""Lists of candidates, the rows of a ranking that answer one query; and which rows of any kind have gold."""

from __future__ import annotations

import numpy as np

from mtdnn_tf.tasks.task import REGRESSION


def list_probabilities(scores: np.ndarray, queries: np.ndarray) -> np.ndarray:
    """Returns each candidate's share of the softmax over its query's candidates (1901.11504 eq. 9).

    Args:
        scores: Float [rows].
        queries: Number of each row's query, from 0, int [rows].

    Returns:
        Float64 [rows]; those of a query sum to 1.
    """
    scores = np.asarray(scores, np.float64)
    highest = np.full(int(queries.max(initial=-1)) + 1, -np.inf)
    np.maximum.at(highest, queries, scores)
    exponentials = np.exp(scores - highest[queries])
    return np.asarray(exponentials / list_sums(exponentials, queries)[queries])


def list_sums(values: np.ndarray, queries: np.ndarray) -> np.ndarray:
    """Returns the sum over the candidates of each query, float64 [queries], for the arguments' order."""
    return np.bincount(queries, weights=values)


def relevance_distribution(labels: np.ndarray, queries: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns the gold distribution over the candidates of each query: even over the relevant ones.

    A query without a relevant candidate has none, as in TREC's and WikiQA's evaluations, which leave it out; nor has
    one with a candidate that no gold label stands for.

    Args:
        labels: 1 for relevant candidates, 0 for others, -1 for no gold label; int [rows].
        queries: Number of each row's query, from 0, int [rows].

    Returns:
        The distribution, float32 [rows], 0 where there is none; and whether there is one, bool [rows].
    """
    relevant = list_sums(labels == 1, queries)
    unlabelled = list_sums(labels < 0, queries)
    has_gold = ((relevant > 0) & (unlabelled == 0))[queries]
    distribution = np.where(has_gold & (labels == 1), 1.0 / np.maximum(relevant, 1)[queries], 0.0)
    return distribution.astype(np.float32), has_gold


def labelled_rows(kind: str, labels: np.ndarray, queries: np.ndarray | None = None) -> np.ndarray:
    """Returns which rows have a gold label: of a ranking, whose query has a gold distribution.

    Args:
        kind: "classification", "regression" or "ranking".
        labels: [rows]: label indices with -1 for none, or scores with nan for none.
        queries: Of a ranking, the number of each row's query, from 0, int [rows].

    Returns:
        Bool [rows].
    """
    if queries is not None:
        return relevance_distribution(labels, queries)[1]
    return np.isfinite(labels) if kind == REGRESSION else np.asarray(labels >= 0)
