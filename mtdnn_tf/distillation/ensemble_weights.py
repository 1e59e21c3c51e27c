"""Weights of an ensemble's teachers that fit labelled examples best."""

from __future__ import annotations

import numpy as np
from scipy.optimize import minimize

from mtdnn_tf.distillation.ensemble import LOGITS, PROBABILITIES
from mtdnn_tf.kinds.lists import list_probabilities
from mtdnn_tf.kinds.values import SMALLEST_PROBABILITY, LabelledPredictions

# Above 0, so that an example for which only such teachers count (out of fold) still has an average.
_LEAST_WEIGHT = 1e-6


def ensemble_loss(
    labelled: LabelledPredictions, weights: np.ndarray, average: str = PROBABILITIES
) -> tuple[float, np.ndarray]:
    """Returns the loss of the teachers' average, and its gradient by their weights.

    Args:
        labelled: The teachers' predictions.
        weights: Of the teachers; they sum to 1.
        average: "probabilities" or "logits", of which the mean is taken.

    Returns:
        The negative log-likelihood of a list, or the squared error of a score, as a mean over them; and float64
        [teachers].
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
    """Returns the weights whose average has the smallest loss.

    All of the losses are convex in the weights, so that what is found from equal weights is the best there is. It is
    the same at every call.

    Args:
        labelled: The teachers' predictions.
        average: As of `ensemble_loss`.

    Returns:
        Float64 [teachers], none below 1e-6 (but for rounding), their sum 1.
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
