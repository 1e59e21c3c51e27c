"""The metrics of a released model, of its run or over the seeds of its recipe."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mtdnn_tf.errors import UserError
from mtdnn_tf.evaluation.measures.statistics import Summary, summarise
from mtdnn_tf.json_files import read_json, to_json
from mtdnn_tf.report.data import Reliability, ReportData
from mtdnn_tf.training.run import METRICS, read_metrics

_Results = Mapping[str, Mapping[str, "float | None"]]


@dataclasses.dataclass(frozen=True)
class ReleaseMetrics:
    """Metrics of a model.

    Attributes:
        model: The model's name in its recipe; "this run" if there is none.
        seeds: Seeds of the averaged runs; empty if only this run is known.
        results: Mean, sample standard deviation and number of runs, by result name and metric.
        calibration: Calibration of tasks, if known.
    """

    model: str
    seeds: tuple[int, ...]
    results: Mapping[str, Mapping[str, Summary]]
    calibration: Sequence[Reliability] = ()

    def to_json(self) -> dict[str, Any]:
        """Returns the fields as JSON values."""
        return dict(to_json(self))


def release_metrics(run: Path, path: Path | None) -> ReleaseMetrics:
    """Returns the metrics of a run, or of its model in a recipe.

    Args:
        run: The run's folder.
        path: A recipe's report.json or results.json; None for the run's own metrics.

    Raises:
        UserError: A file is missing or invalid, or no model of the recipe has the run's metrics.
    """
    own: _Results = to_json(read_metrics(run))
    if path is None:
        return ReleaseMetrics("this run", (), _summaries([own]))
    value = read_json(path)
    calibration: Sequence[Reliability] = ()
    if isinstance(value, dict) and "format" in value:
        report = ReportData.from_json(value, str(path))
        models = [(model.name, [(of.seed, of.metrics) for of in model.runs]) for model in report.models]
        calibration = report.reliability
    else:
        models = _models_of_results(value, path)
    for name, runs in models:
        if own and any(own.items() <= {**metrics}.items() for _, metrics in runs):
            results = _summaries([{key: metrics[key] for key in own if key in metrics} for _, metrics in runs])
            seeds = tuple(seed for seed, _ in runs)
            return ReleaseMetrics(name, seeds, results, [of for of in calibration if of.model == name])
    raise UserError(
        f"--release_metrics={path}: must be the report of the recipe that trained the run; "
        f"no model has the metrics of {run / METRICS}, got {', '.join(name for name, _ in models) or 'none'}"
    )


def _summaries(runs: Sequence[_Results]) -> dict[str, dict[str, Summary]]:
    metrics: dict[str, dict[str, None]] = {}
    for run in runs:
        for result, values in run.items():
            metrics.setdefault(result, {}).update(dict.fromkeys(values))
    return {
        result: {metric: summarise(run.get(result, {}).get(metric) for run in runs) for metric in names}
        for result, names in metrics.items()
    }


def _models_of_results(value: Any, path: Path) -> list[tuple[str, list[tuple[int, _Results]]]]:
    try:
        return [
            (str(model["name"]), [(int(run["seed"]), dict(to_json(run["metrics"]))) for run in model["runs"]])
            for model in value["models"]
        ]
    except (KeyError, TypeError, ValueError):
        raise UserError(f"--release_metrics={path}: must be a recipe's report.json or results.json") from None
