"""The origin of a model, read from its run's folder, and its metrics, of the run or over the seeds of its recipe."""

from __future__ import annotations

import csv
import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mtdnn_tf.errors import UserError
from mtdnn_tf.evaluation.measures.statistics import Summary, summarise
from mtdnn_tf.json_files import read_checked_json, read_json, to_json
from mtdnn_tf.manifests import MANIFEST
from mtdnn_tf.release.layout import FLAGS, IDENTITY
from mtdnn_tf.report.data import Reliability, ReportData
from mtdnn_tf.training.best_epoch import KeptEpoch, read_kept_epoch
from mtdnn_tf.training.run import METRICS, read_metrics

_Results = Mapping[str, Mapping[str, "float | None"]]


@dataclasses.dataclass(frozen=True)
class Provenance:
    """Configuration and inputs of a training."""

    flags: str  # The flagfile that repeats the run.
    identity: Mapping[str, Any]  # Everything that decides the run's weights.
    teachers: Mapping[str, int]  # Number of teachers by name of the soft targets; 0 if unknown.
    kept_epoch: KeptEpoch | None = None  # None for the last.

    def flag(self, name: str) -> str | None:
        """Returns the value of a flag, or None."""
        given = [line.partition("=")[2] for line in self.flags.splitlines() if line.startswith(f"--{name}=")]
        return given[-1] if given else None

    @property
    def encoder(self) -> str:
        """Name of the initial encoder, or last part of its folder."""
        started = self.flag("init_from") or self.flag("backbone") or "unknown"
        return started.rstrip("/").rpartition("/")[2]


def read_provenance(run: Path) -> Provenance:
    """Reads the provenance of a run from its folder, or raises UserError if the run is not finished."""
    missing = [name for name in (FLAGS, IDENTITY, METRICS) if not (run / name).is_file()]
    if missing:
        raise UserError(f"--run={run}: {missing[0]} is missing; a release needs a finished run")
    flags = (run / FLAGS).read_text(encoding="utf-8")
    identity = read_checked_json(run / IDENTITY, "train the run again")
    given = [line.partition("=")[2] for line in flags.splitlines() if line.startswith("--soft_targets=")]
    teachers = dict.fromkeys(identity.get("soft_targets", {}), 0)
    for folder in (Path(path) for paths in csv.reader(given) for path in paths):
        for name in teachers:
            manifest = folder / name.replace("/", "-") / MANIFEST
            if manifest.is_file():
                teachers[name] = len(read_json(manifest).get("teachers", ()))
    return Provenance(flags, identity, teachers, read_kept_epoch(run))


@dataclasses.dataclass(frozen=True)
class ReleaseMetrics:
    """Metrics of a model, by result name and metric."""

    model: str  # Its name in its recipe; "this run" if there is none.
    seeds: tuple[int, ...]  # Of the averaged runs; empty if only this run is known.
    results: Mapping[str, Mapping[str, Summary]]
    calibration: Sequence[Reliability] = ()


def release_metrics(run: Path, path: Path | None) -> ReleaseMetrics:
    """Returns a run's metrics, or those of its model in a recipe if `path` is its report.json or results.json."""
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
