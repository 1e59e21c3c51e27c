"""One prediction from several teachers, and the teachers' weights that fit labelled examples best."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.optimize import minimize

from mtdnn_tf.errors import UserError, unknown_name
from mtdnn_tf.kinds.base import Kind
from mtdnn_tf.kinds.lists import list_probabilities
from mtdnn_tf.kinds.values import LOGITS, PROBABILITIES, SMALLEST_PROBABILITY, LabelledPredictions

AVERAGES = (PROBABILITIES, LOGITS)
# Above 0, so that an example for which only such teachers count (out of fold) still has an average.
_LEAST_WEIGHT = 1e-6


def average_predictions(
    predictions: Sequence[np.ndarray], weights: Sequence[float] | None = None, counted: np.ndarray | None = None
) -> np.ndarray:
    """Averages the teachers' class probabilities or scores (1904.09482 eq. 3).

    Args:
        predictions: One float array [examples, num_outputs] per teacher.
        weights: One weight per teacher, at least one above 0; they are divided by their sum. Equal by default.
        counted: Which teachers count for each example, bool [teachers, examples], at least one of a weight above 0; all
            by default. The weights are divided by the sum of those that count.

    Returns:
        Float32 [examples, num_outputs].

    Raises:
        UserError: The number of weights is not the number of teachers, or a weight is negative.
    """
    return _average(np.asarray(predictions, np.float64), weights, counted).astype(np.float32)


def average_logits(
    kind: Kind,
    predictions: Sequence[np.ndarray],
    weights: Sequence[float] | None = None,
    counted: np.ndarray | None = None,
    queries: np.ndarray | None = None,
) -> np.ndarray:
    """Returns the prediction of the teachers' mean logits: the normalized geometric mean of their probabilities.

    Other arguments, shape and errors are those of `average_predictions`, as is the result for scores. Probabilities
    below 1e-30 count as 1e-30. `queries` are the numbers of a ranking's queries, from 0, int [examples].
    """
    logits = kind.to_logits(np.asarray(predictions, np.float64))
    return kind.from_logits(_average(logits, weights, counted), queries).astype(np.float32)


def combined_predictions(
    kind: Kind,
    predictions: Sequence[np.ndarray],
    weights: Sequence[float] | None = None,
    average: str = PROBABILITIES,
    counted: np.ndarray | None = None,
    queries: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Returns the teachers' mean "probabilities" or "logits" (always of scores), and their `prediction_variance`.

    Other arguments are those of `average_logits`.
    """
    check_average(average)
    if average == LOGITS:
        averaged = average_logits(kind, predictions, weights, counted, queries)
    else:
        averaged = average_predictions(predictions, weights, counted)
    return averaged, prediction_variance(predictions, weights, counted)


def prediction_variance(
    predictions: Sequence[np.ndarray],
    weights: Sequence[float] | None = None,
    counted: np.ndarray | None = None,
    within: np.ndarray | None = None,
) -> np.ndarray:
    """Returns the variance around `average_predictions`, by its weights, as a mean over outputs, float32 [examples].

    `within` are the variances of answers that each teacher's prediction is itself the mean of, float [teachers,
    examples]; none by default.
    """
    stacked = np.asarray(predictions, np.float64)
    squares = (stacked - _average(stacked, weights, counted)) ** 2
    if within is not None:
        squares += within[..., np.newaxis]
    return _average(squares, weights, counted).mean(axis=-1).astype(np.float32)


def _average(stacked: np.ndarray, weights: Sequence[float] | None, counted: np.ndarray | None) -> np.ndarray:
    check_weights(weights, len(stacked))
    if counted is None:
        return np.average(stacked, axis=0, weights=weights)
    by_row = counted * np.reshape(np.ones(len(stacked)) if weights is None else weights, (-1, 1))
    return np.average(stacked, axis=0, weights=np.broadcast_to(by_row[..., np.newaxis], stacked.shape))


def variance_weights(variances: np.ndarray, mean_variance: float) -> np.ndarray:
    """Returns 1 / (1 + variance / mean variance), float32 [examples]; 1 where all variances are 0."""
    relative = np.asarray(variances, np.float64) / mean_variance if mean_variance > 0 else np.zeros(len(variances))
    return np.asarray(1.0 / (1.0 + relative), np.float32)


def ensemble_loss(
    labelled: LabelledPredictions, weights: np.ndarray, average: str = PROBABILITIES
) -> tuple[float, np.ndarray]:
    """Returns the loss of the teachers' average, and its gradient by their weights, float64 [teachers].

    The loss is the mean negative log-likelihood of a list, or the mean squared error of scores. Weights sum to 1.
    """
    values, gold, lists, size = labelled
    if lists is None:
        residuals = weights @ values - gold
        return float(np.mean(residuals**2)), 2.0 * values @ residuals / size
    if average == LOGITS:
        logits = np.log(np.maximum(values, SMALLEST_PROBABILITY))
        probabilities = list_probabilities(weights @ logits, lists)
        return float(-gold @ np.log(probabilities) / size), logits @ (probabilities - gold) / size
    probabilities = np.maximum(weights @ values, SMALLEST_PROBABILITY)
    return float(-gold @ np.log(probabilities) / size), -values @ (gold / probabilities) / size


def fit_weights(labelled: LabelledPredictions, average: str = PROBABILITIES) -> np.ndarray:
    """Returns the weights of the smallest `ensemble_loss`, float64 [teachers], from 1e-6, with a sum of 1.

    All losses are convex in the weights, so that the minimum found from equal weights is the global one.
    """
    teachers = len(labelled.values)
    equal = np.full(teachers, 1.0 / teachers)
    found = minimize(
        lambda weights: ensemble_loss(labelled, weights, average),
        equal,
        jac=True,
        method="SLSQP",
        bounds=[(_LEAST_WEIGHT, 1.0)] * teachers,
        constraints={"type": "eq", "fun": lambda weights: weights.sum() - 1.0, "jac": np.ones_like},
        options={"ftol": 1e-12, "maxiter": 500},
    ).x
    found = np.maximum(found, _LEAST_WEIGHT)
    found /= found.sum()
    # Where no weights are better, rounding must not make them worse.
    return min(found, equal, key=lambda weights: ensemble_loss(labelled, weights, average)[0])


def check_average(average: str, flag: str = "--average") -> None:
    """Refuses the name of an unknown average."""
    if average not in AVERAGES:
        raise unknown_name(flag, average, AVERAGES)


def check_weights(weights: Sequence[float] | None, teachers: int) -> None:
    """Refuses weights of another number than the teachers', negative ones, and zeros only."""
    if weights is None:
        return
    if len(weights) != teachers:
        raise UserError(f"--weights must be one number per teacher, got {len(weights)} weights for {teachers} teachers")
    if not all(0 <= weight < float("inf") for weight in weights) or not any(weights):
        raise UserError(f"--weights must be numbers >= 0, not all 0, got {', '.join(map(str, weights))}")
