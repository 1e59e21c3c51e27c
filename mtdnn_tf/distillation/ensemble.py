"""Making one prediction out of several teachers'."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mtdnn_tf.errors import UserError, unknown_name
from mtdnn_tf.kinds.base import Kind

PROBABILITIES, LOGITS = "probabilities", "logits"
AVERAGES = (PROBABILITIES, LOGITS)


def average_predictions(
    predictions: Sequence[np.ndarray], weights: Sequence[float] | None = None, counted: np.ndarray | None = None
) -> np.ndarray:
    """Averages the teachers' class probabilities or scores (1904.09482 eq. 3).

    Args:
        predictions: One float array [examples, num_outputs] a teacher.
        weights: One weight a teacher, at least one above 0; they are divided by their sum. Equal by default.
        counted: Which teachers count for each example, bool [teachers, examples], one of a weight above 0 at least;
            all by default. The weights are divided by the sum of those that count.

    Returns:
        Float32 [examples, num_outputs].

    Raises:
        UserError: The number of weights is not the number of teachers, or a weight is negative.
    """
    check_weights(weights, len(predictions))
    stacked = _stack(predictions)
    return np.average(stacked, axis=0, weights=_weights_of(stacked, weights, counted)).astype(np.float32)


def average_logits(
    kind: Kind,
    predictions: Sequence[np.ndarray],
    weights: Sequence[float] | None = None,
    counted: np.ndarray | None = None,
    queries: np.ndarray | None = None,
) -> np.ndarray:
    """Returns what the mean of the teachers' logits stands for: the normalized geometric mean of their probabilities.

    Args:
        kind: Kind of the task; the mean of scores is that of `average_predictions`.
        predictions: One float array [examples, num_outputs] per teacher; probabilities below 1e-30 count as 1e-30.
        weights: As `average_predictions` takes them.
        counted: As `average_predictions` takes it.
        queries: For a ranking, the number of each example's query, from 0, int [examples].

    Returns:
        Float32 [examples, num_outputs].

    Raises:
        UserError: As of `average_predictions`.
    """
    check_weights(weights, len(predictions))
    logits = kind.to_logits(_stack(predictions))
    mean = np.average(logits, axis=0, weights=_weights_of(logits, weights, counted))
    return kind.from_logits(mean, queries).astype(np.float32)


def prediction_variance(
    predictions: Sequence[np.ndarray], weights: Sequence[float] | None = None, counted: np.ndarray | None = None
) -> np.ndarray:
    """Returns how much the teachers disagree: their predictions' variance around the average, by its weights.

    Args:
        predictions: One float array [examples, num_outputs] a teacher.
        weights: As `average_predictions` takes them.
        counted: As `average_predictions` takes it.

    Returns:
        Float32 [examples], the mean over the outputs; 0 for one teacher.
    """
    stacked = _stack(predictions)
    weighting = _weights_of(stacked, weights, counted)
    mean = np.average(stacked, axis=0, weights=weighting)
    return np.average((stacked - mean) ** 2, axis=0, weights=weighting).mean(axis=-1).astype(np.float32)


def _stack(predictions: Sequence[np.ndarray]) -> np.ndarray:
    return np.stack([np.asarray(prediction, np.float64) for prediction in predictions])


def _weights_of(
    stacked: np.ndarray, weights: Sequence[float] | None, counted: np.ndarray | None
) -> Sequence[float] | np.ndarray | None:
    """Returns what NumPy takes as weights of the teachers."""
    if counted is None:
        return weights
    by_row = counted * np.ones((len(stacked), 1)) if weights is None else counted * np.reshape(weights, (-1, 1))
    return np.broadcast_to(by_row[..., np.newaxis], stacked.shape)


def variance_weights(variances: np.ndarray, mean_variance: float) -> np.ndarray:
    """Returns how much the distilled loss of each example counts: 1 / (1 + variance / mean variance).

    1 where the teachers agree, 1/2 where their variance is the mean one. Where all variances are 0, all weights are 1.

    Args:
        variances: Of the examples, float [examples].
        mean_variance: Of all examples that have soft targets.

    Returns:
        Float32 [examples].
    """
    relative = np.asarray(variances, np.float64) / mean_variance if mean_variance > 0 else np.zeros(len(variances))
    return np.asarray(1.0 / (1.0 + relative), np.float32)


def check_average(average: str) -> None:
    """Refuses the name of an average that there is not."""
    if average not in AVERAGES:
        raise unknown_name("--average", average, AVERAGES)


def check_weights(weights: Sequence[float] | None, teachers: int) -> None:
    """Refuses weights that make no average of so many teachers.

    Raises:
        UserError: The number of weights is not the number of teachers, or a weight is negative.
    """
    if weights is None:
        return
    if len(weights) != teachers:
        raise UserError(f"--weights takes one number a teacher: {teachers} teachers, {len(weights)} weights given")
    if not all(0 <= weight < float("inf") for weight in weights) or not any(weights):
        raise UserError(f"--weights takes numbers of 0 or more, not all 0; {', '.join(map(str, weights))} given")
