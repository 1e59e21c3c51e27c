"""Results of an adaptation that nothing was trained for."""

from __future__ import annotations

from mtdnn_tf.adaptation.results import AdaptationResults, AdaptedRun

# Accuracy by start and share of the examples, one a subset.
SCORES: dict[str, dict[float, list[float]]] = {
    "plain BERT": {0.01: [0.50, 0.52, 0.57], 0.1: [0.60, 0.61, 0.65]},
    "multi-task": {0.01: [0.60, 0.66, 0.63], 0.1: [0.66, 0.64, 0.70]},
    "distilled": {0.01: [0.61, 0.60, 0.68], 0.1: [0.59, 0.68, 0.71]},
}


def some_results(subsets: int = 3) -> AdaptationResults:
    """Returns results of three starts on two shares."""
    runs = [
        AdaptedRun(start, fraction, seed, round(2500 * fraction), 5, 100, {"rte": {"accuracy": score}})
        for start, by_fraction in SCORES.items()
        for fraction, scores in by_fraction.items()
        for seed, score in enumerate(scores[:subsets])
    ]
    starts = {"plain BERT": "bert", "multi-task": "runs/a", "distilled": "runs/b"}
    return AdaptationResults("rte", ("accuracy",), starts, 0.527, tuple(runs))
