"""Fitting an ensemble's weights on one half of a labelled split, and judging them on the other."""

from __future__ import annotations

import logging
from typing import Any

import numpy as np

from mtdnn_tf.data.folds import part_numbers
from mtdnn_tf.distillation.ensemble import ensemble_loss, fit_weights
from mtdnn_tf.errors import UserError
from mtdnn_tf.evaluation.measures.metrics import compute_metrics
from mtdnn_tf.evaluation.runs import RunPredictions

_log = logging.getLogger("absl")


def fit_on_half(predicted: RunPredictions, average: str) -> tuple[list[float], dict[str, Any]]:
    """Fits weights on half of the rows of a split, chosen by their ids, and logs what they change on the other half.

    All runs count for all rows. Returns the weights, above 0 with a sum of 1, and as JSON values the split, numbers of
    rows, and loss and metrics of equal and fitted weights on the rows that were not used for fitting.
    """
    encoded = predicted.encoded
    task, kind, labels, queries = encoded.task, encoded.task.kind_object, encoded.labels, encoded.queries
    labelled = kind.labelled(labels, queries)
    halves = part_numbers(encoded.example_ids, 2, "weights", queries)
    fitted_on, apart = labelled & (halves == 0), labelled & (halves == 1)
    if not fitted_on.any() or not apart.any():
        raise UserError(
            f"--fit_weights_on={encoded.split}: task {task.name} needs labelled rows in both halves of the split, "
            f"{fitted_on.sum()} and {apart.sum()} of {len(encoded)} rows found"
        )
    in_half, held_apart = (
        kind.labelled_predictions([run[rows] for run in predicted.by_run], labels[rows], encoded.queries_of(rows))
        for rows in (fitted_on, apart)
    )
    weights = fit_weights(in_half, average)
    loss = "mean_squared_error" if kind.predicts_scores else "negative_log_likelihood"
    judged = {}
    for name, given in {"equal": np.full(len(weights), 1.0 / len(weights)), "fitted": weights}.items():
        averaged = predicted.combined(list(given), average).predictions[apart]
        judged[name] = {
            loss: ensemble_loss(held_apart, given, average)[0],
            **compute_metrics(task, averaged, labels[apart], encoded.queries_of(apart)),
        }
        shown = ", ".join(f"{weight:.3f}" for weight in given)
        found = ", ".join(f"{measure} {value:.4f}" for measure, value in judged[name].items())
        where = f"{task.name} {encoded.split}"
        _log.info("%s: weights %s (%s): on %d rows held apart %s", where, shown, name, apart.sum(), found)
    return weights.tolist(), {
        "split": encoded.split,
        "rows_fitted_on": int(fitted_on.sum()),
        "rows_held_apart": int(apart.sum()),
        "held_apart": judged,
    }
