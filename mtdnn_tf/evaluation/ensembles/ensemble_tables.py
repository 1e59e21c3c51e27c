"""What each run is worth to an ensemble, and how much its runs disagree."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from mtdnn_tf.distillation.ensemble import PROBABILITIES
from mtdnn_tf.errors import UserError
from mtdnn_tf.evaluation.runs import RunPredictions
from mtdnn_tf.text_tables import aligned_table


class Disagreement(NamedTuple):
    """How much the runs of an ensemble disagree on one split, by pairs of their names."""

    measure: str
    is_share: bool  # Whether values are from 0 to 1.
    by_pair: dict[tuple[str, str], float]

    def to_json(self) -> dict[str, Any]:
        """Returns measure and values as JSON values."""
        pairs = [{"runs": list(pair), "value": value} for pair, value in self.by_pair.items()]
        return {"measure": self.measure, "pairs": pairs}


def run_names(runs: Sequence[Path]) -> list[str]:
    """Returns the names of run folders, or their paths where two have the same name."""
    names = [run.name for run in runs]
    return names if len(set(names)) == len(names) else [str(run) for run in runs]


def check_table_flags(flag: str, runs: Sequence[Path]) -> None:
    """Refuses fewer than two runs, and duplicates."""
    if len(runs) < 2 or len(set(runs)) < len(runs):
        raise UserError(f"--{flag} needs two or more different --runs, got {', '.join(map(str, runs))}")


def leave_one_out(
    predictions: Mapping[str, RunPredictions],
    names: Sequence[str],
    weights: Sequence[float] | None = None,
    average: str = PROBABILITIES,
) -> dict[str, dict[str, dict[str, float]]]:
    """Returns the metrics of an ensemble without each of its two or more runs, by "without <run>" and result name.

    Predictions are by result name, and all runs count for all rows. Remaining weights are divided by their sum.
    """
    if weights is not None and sum(weight > 0 for weight in weights) < 2:
        raise UserError(f"--leave_one_out needs two or more --weights above 0, got {', '.join(map(str, weights))}")
    without: dict[str, dict[str, dict[str, float]]] = {}
    for left_out, name in enumerate(names):
        kept = [number for number in range(len(names)) if number != left_out]
        remaining = None if weights is None else [weights[number] for number in kept]
        without[f"without {name}"] = {
            result: RunPredictions(split.encoded, [split.by_run[number] for number in kept])
            .combined(remaining, average)
            .metrics()
            for result, split in predictions.items()
        }
    return without


def disagreement(predicted: RunPredictions, names: Sequence[str]) -> Disagreement:
    """Returns how much every two runs, of these names, disagree on a split; gold labels are not used."""
    kind, queries = predicted.encoded.task.kind_object, predicted.encoded.queries
    by_pair = {
        (one, other): float(kind.differences(first, second, queries).mean())
        for (one, first), (other, second) in itertools.combinations(zip(names, predicted.by_run), 2)
    }
    return Disagreement(kind.disagreement_measure, not kind.predicts_scores, by_pair)


def disagreement_table(by_result: Mapping[str, Disagreement]) -> str:
    """Returns a text table of pairs of runs (rows) against result names (columns); shares are in percent."""
    pairs = next(iter(by_result.values())).by_pair
    rows = [["runs that disagree", *(f"{name} (%)" if found.is_share else name for name, found in by_result.items())]]
    for one, other in pairs:
        values = [(found.by_pair[one, other], found.is_share) for found in by_result.values()]
        cells = [f"{100 * value:.1f}" if is_share else f"{value:.3f}" for value, is_share in values]
        rows.append([f"{one}, {other}", *cells])
    return aligned_table(rows)
