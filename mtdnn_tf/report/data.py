"""What a report shows: all that tables, figures and the page read, so that they can be made again from report.json."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from mtdnn_tf.errors import UserError
from mtdnn_tf.json_values import from_json, to_json

SINGLE_TASK = "single-task"
MULTI_TASK = "multi-task"
TEACHER = "teacher"
ENSEMBLE = "ensemble"
STUDENT = "student"
FINE_TUNED_STUDENT = "fine-tuned student"
ROLES = (SINGLE_TASK, MULTI_TASK, TEACHER, ENSEMBLE, STUDENT, FINE_TUNED_STUDENT)
AVERAGE = "average"
FORMAT = 2


@dataclasses.dataclass(frozen=True)
class Run:
    """One run of a model.

    Attributes:
        seed: Its seed, by which models are paired.
        metrics: Values by result name and metric, from 0 to 1, correlations from -1; None where undefined.
        average: The mean over tasks, of the same unit; None if a task is missing.
    """

    seed: int
    metrics: Mapping[str, Mapping[str, float | None]]
    average: float | None


@dataclasses.dataclass(frozen=True)
class Model:
    """A model that is compared with others.

    Attributes:
        name: Its name in tables, unique.
        role: One of `ROLES`.
        runs: One a seed.
    """

    name: str
    role: str
    runs: Sequence[Run]

    def __post_init__(self) -> None:
        if self.role not in ROLES:
            raise UserError(f"model {self.name}: role {self.role!r} is not one of {', '.join(ROLES)}")


@dataclasses.dataclass(frozen=True)
class TaskInfo:
    """A task as the report shows it.

    Attributes:
        name: Its name.
        kind: "classification", "regression" or "ranking".
        metrics: Names of its metrics; its score is their mean.
        has_teacher: Whether the student had soft targets for it.
        result_names: Names of its results in `Run.metrics`: its own, or one a split.
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
        p_value: Of the paired test; None if there is none.
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
    """Examples of like confidence.

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
        nll: Negative log-likelihood of the gold labels, in nats an example, one a seed.
        brier: Brier score, one a seed.
        ece: Expected calibration error, from 0 to 1, one a seed.
    """

    model: str
    task: str
    bins: Sequence[Bin]
    nll: Sequence[float | None]
    brier: Sequence[float | None]
    ece: Sequence[float | None]


@dataclasses.dataclass(frozen=True)
class Fidelity:
    """How closely the student follows its teacher on a task.

    Attributes:
        task: The task's name.
        agreement: Fraction of examples with the same prediction, for scores their correlation; one a seed.
        kl: Mean divergence KL(teacher || student), in nats, one a seed; None where there are no probabilities.
        has_teacher: Whether the student had soft targets for the task.
        gain_kept: (student - multi-task) / (ensemble - multi-task) of the means over seeds; None where the
            ensemble gains nothing.
    """

    task: str
    agreement: Sequence[float | None]
    kl: Sequence[float | None]
    has_teacher: bool
    gain_kept: float | None = None


@dataclasses.dataclass(frozen=True)
class CostRow:
    """What a model costs to serve.

    Attributes:
        name: The model.
        parameters: Number of weights.
        flops: Of the matrix products that answer one example.
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
    """What the models cost to serve.

    Attributes:
        rows: One a model.
        length: Word pieces of the sequence that is answered.
    """

    rows: Sequence[CostRow]
    length: int | None = None


@dataclasses.dataclass(frozen=True)
class ReportData:
    """Everything in a report; parts left empty have no section.

    Attributes:
        title: Title of the page.
        models: In the order of the tables.
        tasks: In the order of the columns.
        differences: Of pairs of models, by task and on average.
        curves: Development scores during training, by model and task.
        reliability: Calibration by model and task.
        fidelity: By task.
        cost: None if it was not measured.
        flags: The flagfile that makes the run again.
        fingerprints: Hashes of data, encoder and so on, by name.
        finding: What the run found, in sentences; shown first.
        notes: What a reader must know, such as "MNLI: partial set"; shown below the finding.
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
                    raise UserError(f"report: {what} {name!r} is listed twice; names are unique")

    def to_json(self) -> dict[str, Any]:
        """Returns the data as JSON; nan and infinity become null."""
        return {"format": FORMAT, **to_json(self)}

    @staticmethod
    def from_json(value: Any, where: str = "report.json") -> ReportData:
        """Returns the data that `to_json` made JSON of.

        Args:
            value: What `json.loads` returns.
            where: Its file, for errors.

        Raises:
            UserError: The value is no report, or one of another format.
        """
        if not isinstance(value, dict) or value.get("format") != FORMAT:
            given = value.get("format", "none") if isinstance(value, dict) else type(value).__name__
            raise UserError(f"{where}: not a report: format {FORMAT} is needed, {given} given")
        return from_json({key: item for key, item in value.items() if key != "format"}, ReportData, where)
