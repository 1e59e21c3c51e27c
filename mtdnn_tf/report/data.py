"""The data of a report, from which tables, figures and the page can be written again (report.json)."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from mtdnn_tf.errors import UserError
from mtdnn_tf.json_files import from_json, to_json

SINGLE_TASK = "single-task"
MULTI_TASK = "multi-task"
TEACHER = "teacher"
ENSEMBLE = "ensemble"
STUDENT = "student"
FINE_TUNED_MULTI_TASK = "fine-tuned multi-task"
FINE_TUNED_STUDENT = "fine-tuned student"
ROLES = (SINGLE_TASK, MULTI_TASK, FINE_TUNED_MULTI_TASK, TEACHER, ENSEMBLE, STUDENT, FINE_TUNED_STUDENT)
AVERAGE = "average"
FORMAT = 2


@dataclasses.dataclass(frozen=True)
class Run:
    """One run of a model.

    Attributes:
        seed: Seed, by which models are paired.
        metrics: Values by result name and metric, from 0 to 1, correlations from -1; None where undefined.
        average: Mean over tasks, in the same unit; None if a task is missing.
    """

    seed: int
    metrics: Mapping[str, Mapping[str, float | None]]
    average: float | None


@dataclasses.dataclass(frozen=True)
class Model:
    """A model that is compared with others.

    Attributes:
        name: Unique name in tables.
        role: One of `ROLES`.
        runs: One per seed.
    """

    name: str
    role: str
    runs: Sequence[Run]

    def __post_init__(self) -> None:
        if self.role not in ROLES:
            raise UserError(f"model {self.name}: role {self.role!r} is not one of {', '.join(ROLES)}")


@dataclasses.dataclass(frozen=True)
class TaskInfo:
    """A task in the report.

    Attributes:
        name: Its name.
        kind: "classification", "regression" or "ranking".
        metrics: Names of its metrics; its score is their mean.
        has_teacher: Whether the student had soft targets for it.
        result_names: Names of its results in `Run.metrics`: the task's, or one per split.
    """

    name: str
    kind: str
    metrics: Sequence[str]
    has_teacher: bool
    result_names: Sequence[str]


@dataclasses.dataclass(frozen=True)
class Difference:
    """The difference of two models, paired by seed.

    Attributes:
        label: What is compared, such as "distilled student - multi-task".
        task: A task's name, or "average".
        mean: The mean difference, in the unit of scores (0.01 is one point).
        low: Lower end of the confidence interval; None with too few seeds.
        high: Upper end of it.
        p_value: p value of the paired test, or None.
        n: Number of pairs.
    """

    label: str
    task: str
    mean: float | None
    low: float | None
    high: float | None
    p_value: float | None
    n: int


@dataclasses.dataclass(frozen=True)
class Point:
    """A development score during training.

    Attributes:
        epoch: Epochs done; a fraction within an epoch.
        score: The task's score, from 0 to 1.
        seed: The run's seed.
    """

    epoch: float
    score: float | None
    seed: int


@dataclasses.dataclass(frozen=True)
class Bin:
    """A bin of examples with similar confidence.

    Attributes:
        confidence: Mean probability of the predicted label; None if the bin is empty.
        accuracy: Fraction predicted correctly; None if the bin is empty.
        count: Number of examples.
    """

    confidence: float | None
    accuracy: float | None
    count: int


@dataclasses.dataclass(frozen=True)
class Reliability:
    """The calibration of a model on a task.

    Attributes:
        model: Its name.
        task: The task's name.
        bins: In the order of confidence.
        nll: Negative log-likelihood of the gold labels, in nats per example, one per seed.
        brier: Brier score, one per seed.
        ece: Expected calibration error, from 0 to 1, one per seed.
    """

    model: str
    task: str
    bins: Sequence[Bin]
    nll: Sequence[float | None]
    brier: Sequence[float | None]
    ece: Sequence[float | None]


@dataclasses.dataclass(frozen=True)
class Fidelity:
    """The student's fidelity to its teacher on a task.

    Attributes:
        task: The task's name.
        agreement: Fraction of examples with the same prediction, or correlation of scores; one per seed.
        kl: Mean divergence KL(teacher || student), in nats, one per seed; None without probabilities.
        has_teacher: Whether the student had soft targets for the task.
        gain_kept: (student - multi-task) / (ensemble - multi-task) of the means over seeds; None if the ensemble gains
            nothing.
    """

    task: str
    agreement: Sequence[float | None]
    kl: Sequence[float | None]
    has_teacher: bool
    gain_kept: float | None = None


@dataclasses.dataclass(frozen=True)
class CostRow:
    """Cost of serving a model.

    Attributes:
        name: The model.
        parameters: Number of weights.
        flops: FLOPs of the matrix products for one example.
        latency_ms: Median time of one request, in ms.
        latency_iqr_ms: Its interquartile range, in ms.
    """

    name: str
    parameters: float | None = None
    flops: float | None = None
    latency_ms: float | None = None
    latency_iqr_ms: float | None = None


@dataclasses.dataclass(frozen=True)
class Cost:
    """Cost of serving the models.

    Attributes:
        rows: One per model.
        length: Number of word pieces per sequence.
    """

    rows: Sequence[CostRow]
    length: int | None = None


@dataclasses.dataclass(frozen=True)
class ReportData:
    """The data of a report. Empty parts have no section.

    Attributes:
        title: Title of the page.
        models: In the order of the tables.
        tasks: In the order of the columns.
        differences: Of pairs of models, by task and on average.
        curves: Development scores during training, by model and task.
        reliability: Calibration by model and task.
        fidelity: By task.
        cost: None if it was not measured.
        flags: Flagfile that repeats the run.
        fingerprints: Hashes of data, encoder and so on, by name.
        finding: Sentences about the result, shown first.
        notes: Notes for the reader, such as "MNLI: partial set"; shown below the finding.
        seconds: Duration of each stage, in seconds.
    """

    title: str
    models: Sequence[Model]
    tasks: Sequence[TaskInfo]
    differences: Sequence[Difference] = ()
    curves: Mapping[str, Mapping[str, Sequence[Point]]] = dataclasses.field(default_factory=dict)
    reliability: Sequence[Reliability] = ()
    fidelity: Sequence[Fidelity] = ()
    cost: Cost | None = None
    flags: str = ""
    fingerprints: Mapping[str, str] = dataclasses.field(default_factory=dict)
    finding: Sequence[str] = ()
    notes: Sequence[str] = ()
    seconds: Mapping[str, float] = dataclasses.field(default_factory=dict)

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
        """Returns the data from the JSON of `to_json`.

        Args:
            value: Parsed JSON.
            where: Its file, for messages.

        Raises:
            UserError: The value is not a report, or has another format.
        """
        if not isinstance(value, dict) or value.get("format") != FORMAT:
            given = value.get("format", "none") if isinstance(value, dict) else type(value).__name__
            raise UserError(f"{where}: not a report: format must be {FORMAT}, got {given}")
        return from_json({key: item for key, item in value.items() if key != "format"}, ReportData, where)
