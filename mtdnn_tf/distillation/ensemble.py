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
