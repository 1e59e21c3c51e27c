"""A task's metrics over a whole split."""

from __future__ import annotations

import numpy as np

from mtdnn_tf.errors import UserError
from mtdnn_tf.tasks.task import Task


def check_predictions(task: Task, predictions: np.ndarray, rows: int, queries: np.ndarray | None, what: str) -> None:
    """Refuses predictions of another shape than [rows, num_outputs], and queries where none or some are needed."""
    if predictions.shape != (rows, task.num_outputs) or not np.isfinite(predictions).all():
        raise ValueError(
            f"task {task.name}: {what} must have finite predictions [{rows}, {task.num_outputs}], got "
            f"{list(predictions.shape)}"
        )
    if (None if queries is None else len(queries)) != (rows if task.kind_object.has_queries else None):
        raise ValueError(f"task {task.name}: {what} must have the query of each row for a ranking, and for no other")


def compute_metrics(
    task: Task, predictions: np.ndarray, gold: np.ndarray, queries: np.ndarray | None = None
) -> dict[str, float]:
    """Returns the task's metrics over one split.

    Where a metric is undefined because predictions or gold are all alike, it is 0.0. Queries of a ranking without a
    relevant candidate, or with one that has no gold label, are left out.

    Args:
        task: The task, which names the metrics.
        predictions: Float [n, num_outputs]: probabilities or scores.
        gold: As in `EncodedSplit.labels`, [n, ...]; rows without a gold label are left out.
        queries: For a ranking, the number of each row's query, from 0, int [n].

    Returns:
        Values by metric, in the task's order: from 0 to 1, correlations from -1 to 1; `f1` is that of the
        second label, `f1_macro` the mean over the labels that occur.

    Raises:
        UserError: No row has gold.
        ValueError: Predictions are of another shape, or not finite.
    """
    check_predictions(task, predictions, len(gold), queries, "metrics")
    labelled = task.kind_object.labelled(gold, queries)
    if not labelled.any():
        what = "has one" if queries is None else "belongs to a query with a relevant candidate"
        raise UserError(f"task {task.name}: metrics need gold labels, and none of the {len(gold)} rows {what}")
    of_labelled = None if queries is None else queries[labelled]
    return task.kind_object.measure(task, predictions[labelled], gold[labelled], of_labelled)
