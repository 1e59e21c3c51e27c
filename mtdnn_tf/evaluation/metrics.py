"""Metrics over whole splits: GLUE's, and those of rankings."""

from __future__ import annotations

import logging
from collections.abc import Callable

import numpy as np
from scipy import stats
from sklearn import metrics as sklearn_metrics

from mtdnn_tf.distillation.candidate_lists import labelled_rows
from mtdnn_tf.errors import UserError
from mtdnn_tf.evaluation.ranking_metrics import mean_over_queries
from mtdnn_tf.tasks.task import CLASSIFICATION, RANKING, Task

# The positive class of a two-label task is its second label, as in GLUE: "equivalent", "duplicate".
_POSITIVE = 1
_CORRELATIONS = ("matthews_correlation", "pearson", "spearman")
_log = logging.getLogger("absl")


def _accuracy(gold: np.ndarray, predicted: np.ndarray) -> float:
    return float(np.mean(gold == predicted))


def _f1(gold: np.ndarray, predicted: np.ndarray) -> float:
    return float(sklearn_metrics.f1_score(gold == _POSITIVE, predicted == _POSITIVE, zero_division=0.0))


def _f1_macro(gold: np.ndarray, predicted: np.ndarray) -> float:
    return float(sklearn_metrics.f1_score(gold, predicted, average="macro", zero_division=0.0))


def _matthews_correlation(gold: np.ndarray, predicted: np.ndarray) -> float:
    if _is_constant(gold) or _is_constant(predicted):
        return 0.0
    return float(sklearn_metrics.matthews_corrcoef(gold, predicted))


def _pearson(gold: np.ndarray, predicted: np.ndarray) -> float:
    if _is_constant(gold) or _is_constant(predicted):
        return 0.0
    return float(stats.pearsonr(gold, predicted).statistic)


def _spearman(gold: np.ndarray, predicted: np.ndarray) -> float:
    if _is_constant(gold) or _is_constant(predicted):
        return 0.0
    return float(stats.spearmanr(gold, predicted).statistic)


def _is_constant(values: np.ndarray) -> bool:
    return bool(np.all(values == values[0]))


METRIC_FUNCTIONS: dict[str, Callable[[np.ndarray, np.ndarray], float]] = {
    "accuracy": _accuracy,
    "f1": _f1,
    "f1_macro": _f1_macro,
    "matthews_correlation": _matthews_correlation,
    "pearson": _pearson,
    "spearman": _spearman,
}


def compute_metrics(
    task: Task, predictions: np.ndarray, gold: np.ndarray, queries: np.ndarray | None = None
) -> dict[str, float]:
    """Returns the task's metrics over one split.

    Where a metric is undefined because predictions or gold are all alike, it is 0.0. Queries of a ranking without a
    relevant candidate, or with one that has no gold label, are left out.

    Args:
        task: The task, which names the metrics.
        predictions: Float [n, num_outputs]: class probabilities, or scores in the one column of other kinds.
        gold: [n]: label indices with -1 for none, or scores with nan for none; rows without are left out.
        queries: Of a ranking, the number of each row's query, from 0, int [n].

    Returns:
        Values by metric, in the task's order: from 0 to 1, correlations from -1 to 1; `f1` is that of the
        second label, `f1_macro` the mean over the labels that occur.

    Raises:
        UserError: No row has gold.
        ValueError: Predictions are of another shape, or not finite.
    """
    if predictions.shape != (len(gold), task.num_outputs) or not np.isfinite(predictions).all():
        raise ValueError(
            f"task {task.name}: metrics take finite predictions [{len(gold)}, {task.num_outputs}], "
            f"{list(predictions.shape)} given"
        )
    if (queries is not None) != (task.kind == RANKING):
        raise ValueError(f"task {task.name}: metrics of a ranking, and no others, take the query of each row")
    labelled = labelled_rows(task.kind, gold, queries)
    if not labelled.any():
        what = "has one" if queries is None else "belongs to a query with a relevant candidate"
        raise UserError(f"task {task.name}: metrics need gold labels, and none of the {len(gold)} rows {what}")
    if queries is not None:
        rows = gold[labelled] == _POSITIVE, predictions[labelled, 0], queries[labelled]
        return {name: mean_over_queries(name, *rows) for name in task.metrics}
    if task.kind == CLASSIFICATION:
        predicted = predictions.argmax(axis=1)
    else:
        predicted, gold = predictions[:, 0].astype(np.float64), gold.astype(np.float64)
    gold, predicted = gold[labelled], predicted[labelled]
    correlations = [name for name in task.metrics if name in _CORRELATIONS]
    for what, values in (("gold labels", gold), ("predictions", predicted)):
        if correlations and _is_constant(values):
            _log.warning(
                "task %s: all %d %s are alike; %s is undefined, and 0 by definition",
                task.name,
                len(values),
                what,
                " and ".join(correlations),
            )
    return {name: METRIC_FUNCTIONS[name](gold, predicted) for name in task.metrics}
