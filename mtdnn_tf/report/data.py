"""The data of a report, from which tables, figures and the page can be written again (report.json)."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from mtdnn_tf.errors import UserError
from mtdnn_tf.evaluation.measures.calibration import Bin
from mtdnn_tf.evaluation.measures.statistics import Summary, summarise
from mtdnn_tf.json_files import finite, from_json, to_json
from mtdnn_tf.report import roles

AVERAGE = "average"
_COMPARED = (roles.SINGLE_TASK, roles.MULTI_TASK, roles.ENSEMBLE, roles.STUDENT)
FORMAT = 2


@dataclasses.dataclass(frozen=True)
class Run:
    """One run of a model; values are from 0 to 1, correlations from -1, None where undefined."""

    seed: int  # Models are paired by it.
    metrics: Mapping[str, Mapping[str, float | None]]  # By result name and metric.
    average: float | None  # Over tasks; None if one is missing.


@dataclasses.dataclass(frozen=True)
class Model:
    """A model that is compared with others: its unique name, one of `roles.ROLES`, and a run per seed."""

    name: str
    role: str
    runs: Sequence[Run]

    def __post_init__(self) -> None:
        if self.role not in roles.ROLES:
            raise UserError(f"model {self.name}: role must be one of {', '.join(roles.ROLES)}, got {self.role!r}")


@dataclasses.dataclass(frozen=True)
class TaskInfo:
    """A task in the report; its score is the mean of its metrics."""

    name: str
    kind: str
    metrics: Sequence[str]
    has_teacher: bool  # Whether the student had soft targets for it.
    result_names: Sequence[str]  # In `Run.metrics`: the task's, or one per split.


@dataclasses.dataclass(frozen=True)
class Difference:
    """The difference of two models, paired by seed, in the unit of scores (0.01 is one point)."""

    label: str  # Such as "distilled student - multi-task".
    task: str  # Or "average".
    mean: float | None
    low: float | None  # Of the confidence interval; None with too few seeds.
    high: float | None
    p_value: float | None
    n: int  # Number of pairs.


@dataclasses.dataclass(frozen=True)
class Point:
    """A development score during training, from 0 to 1, after a number of epochs, which may be a fraction."""

    epoch: float
    score: float | None
    seed: int


@dataclasses.dataclass(frozen=True)
class Reliability:
    """The calibration of a model on a task: bins by confidence, and measures with one value per seed."""

    model: str
    task: str
    bins: Sequence[Bin]
    nll: Sequence[float | None]  # Negative log-likelihood, in nats per example.
    brier: Sequence[float | None]
    ece: Sequence[float | None]  # Expected calibration error, from 0 to 1.


@dataclasses.dataclass(frozen=True)
class Fidelity:
    """The student's fidelity to its teacher on a task, with one value per seed."""

    task: str
    agreement: Sequence[float | None]  # Fraction of examples with the same prediction, or correlation of scores.
    kl: Sequence[float | None]  # Mean KL(teacher || student), in nats; None without probabilities.
    has_teacher: bool
    # (student - multi-task) / (ensemble - multi-task) of the means over seeds; None if the ensemble gains nothing.
    gain_kept: float | None = None


@dataclasses.dataclass(frozen=True)
class CostRow:
    """Cost of serving a model: FLOPs of the matrix products for one example, median time of one request."""

    name: str
    parameters: float | None = None
    flops: float | None = None
    latency_ms: float | None = None
    latency_iqr_ms: float | None = None


@dataclasses.dataclass(frozen=True)
class Cost:
    """Cost of serving the models, for sequences of `length` word pieces."""

    rows: Sequence[CostRow]
    length: int | None = None


@dataclasses.dataclass(frozen=True)
class ReportData:
    """The data of a report. Empty parts have no section."""

    title: str
    models: Sequence[Model]  # In the order of the tables.
    tasks: Sequence[TaskInfo]  # In the order of the columns.
    differences: Sequence[Difference] = ()
    curves: Mapping[str, Mapping[str, Sequence[Point]]] = dataclasses.field(default_factory=dict)  # By model and task.
    reliability: Sequence[Reliability] = ()
    fidelity: Sequence[Fidelity] = ()
    cost: Cost | None = None
    flags: str = ""  # Flagfile that repeats the run.
    fingerprints: Mapping[str, str] = dataclasses.field(default_factory=dict)  # Hashes of data, encoder and so on.
    finding: Sequence[str] = ()  # Sentences about the result, shown first.
    notes: Sequence[str] = ()  # Such as "MNLI: partial set"; shown below the finding.
    seconds: Mapping[str, float] = dataclasses.field(default_factory=dict)  # By stage.

    def __post_init__(self) -> None:
        for what, names in (("model", [m.name for m in self.models]), ("task", [t.name for t in self.tasks])):
            for name in names:
                if names.count(name) > 1:
                    raise UserError(f"report: duplicate {what} {name!r}")

    def to_json(self) -> dict[str, Any]:
        """Returns the data as JSON; nan and infinity become null."""
        return {"format": FORMAT, **to_json(self)}

    @staticmethod
    def from_json(value: Any, where: str = "report.json") -> ReportData:
        """Returns the data from parsed JSON of `to_json`, or raises UserError; `where` is its file."""
        if not isinstance(value, dict) or value.get("format") != FORMAT:
            given = value.get("format", "none") if isinstance(value, dict) else type(value).__name__
            raise UserError(f"{where}: not a report: format must be {FORMAT}, got {given}")
        return from_json({key: item for key, item in value.items() if key != "format"}, ReportData, where)


def mean_of_all(values: Iterable[float | None]) -> float | None:
    """Returns the mean; None of no values, or if one is missing."""
    known = [finite(value) for value in values]
    return None if not known or None in known else float(np.mean(np.asarray(known, np.float64)))


def run_score(run: Run, task: TaskInfo) -> float | None:
    """Returns a run's score on a task, the mean of its metrics and splits; None if one is missing."""
    return mean_of_all(
        mean_of_all(run.metrics.get(name, {}).get(metric) for metric in task.metrics) for name in task.result_names
    )


def task_summary(model: Model, task: TaskInfo) -> Summary:
    """Returns a model's score on a task over its seeds."""
    return summarise(run_score(run, task) for run in model.runs)


def metric_summary(model: Model, result_name: str, metric: str) -> Summary:
    """Returns one metric of a model over its seeds."""
    return summarise(run.metrics.get(result_name, {}).get(metric) for run in model.runs)


def average_summary(model: Model) -> Summary:
    """Returns a model's average over tasks, over its seeds."""
    return summarise(run.average for run in model.runs)


def compared_models(models: Sequence[Model]) -> list[Model]:
    """Returns the models of the bar chart, single-task to distilled; all models if none has such a role."""
    return [model for model in models if model.role in _COMPARED] or list(models)
