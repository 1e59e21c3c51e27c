"""Making one prediction out of several teachers'."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mtdnn_tf.errors import UserError

# Keeps the log of an averaged probability finite; the smallest normal float32 is about 1e-38.
_SMALLEST = 1e-30


def average_predictions(predictions: Sequence[np.ndarray], weights: Sequence[float] | None = None) -> np.ndarray:
    """Averages the teachers' class probabilities or scores (1904.09482 eq. 3).

    Args:
        predictions: One float array [examples, num_outputs] a teacher.
        weights: One weight a teacher, at least one above 0; they are divided by their sum. Equal by default.

    Returns:
        Float32 [examples, num_outputs].

    Raises:
        UserError: The number of weights is not the number of teachers, or a weight is negative.
    """
    check_weights(weights, len(predictions))
    stacked = np.stack([np.asarray(prediction, np.float64) for prediction in predictions])
    return np.average(stacked, axis=0, weights=weights).astype(np.float32)


def prediction_variance(predictions: Sequence[np.ndarray], weights: Sequence[float] | None = None) -> np.ndarray:
    """Returns how much the teachers disagree: their predictions' variance around the average, by its weights.

    Args:
        predictions: One float array [examples, num_outputs] a teacher.
        weights: As `average_predictions` takes them.

    Returns:
        Float32 [examples], the mean over the outputs; 0 for one teacher.
    """
    stacked = np.stack([np.asarray(prediction, np.float64) for prediction in predictions])
    mean = np.average(stacked, axis=0, weights=weights)
    return np.average((stacked - mean) ** 2, axis=0, weights=weights).mean(axis=-1).astype(np.float32)


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


def to_logits(probabilities: np.ndarray) -> np.ndarray:
    """Returns the teacher "logits" of an ensemble: the log of its averaged probabilities, as float32."""
    return np.log(np.maximum(probabilities, _SMALLEST)).astype(np.float32)
