"""The plan of the study: everything that decides its models, read from plan.yaml."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from mtdnn_tf.errors import UserError

PLAN = Path(__file__).with_name("plan.yaml")
EQUAL_STEPS = "equal_steps"
Options = Mapping[str, Any]


@dataclasses.dataclass(frozen=True)
class Plan:
    """The plan.

    Attributes:
        rows: Number of rows per task: labelled, unlabelled, development, test.
        tasks: Names of tasks: with_teacher, without_teacher, adaptation; and other_domain, by task.
        ensembles: Seeds of the multi-task models that form each ensemble.
        training: Options of every training.
        students: Options of each student that differ from the multi-task model's, by the name of its arm.
        fine_tuning: Which students are fine-tuned beside the multi-task models, and the options.
        single_task: Number of seeds per ensemble, and the seeds that are also trained with equal steps.
        adaptation: Numbers of labels and seeds, and the options.
    """

    rows: Mapping[str, int]
    tasks: Mapping[str, Any]
    ensembles: list[list[int]]
    training: Options
    students: Mapping[str, Options]
    fine_tuning: Mapping[str, Any]
    single_task: Mapping[str, Any]
    adaptation: Mapping[str, Any]

    def __post_init__(self) -> None:
        seeds = [seed for ensemble in self.ensembles for seed in ensemble]
        if len(set(seeds)) < len(seeds):
            raise UserError("each seed must be in one ensemble")

    @property
    def blocks(self) -> list[str]:
        """Names of the study's blocks: one per ensemble, and one of single-task models with equal steps."""
        return [*(f"ensemble_{number}" for number, _ in enumerate(self.ensembles, start=1)), EQUAL_STEPS]

    @property
    def trained_tasks(self) -> tuple[str, ...]:
        """The tasks of every multi-task model."""
        return (*self.tasks["with_teacher"], *self.tasks["without_teacher"])

    def members(self, ensemble: int) -> list[int]:
        """Returns the seeds of an ensemble's members, counted from 1."""
        return self.ensembles[ensemble - 1]

    def students_of(self, ensemble: int) -> list[int]:
        """Returns the seeds of the students of an ensemble: those of the next one's members."""
        return self.ensembles[ensemble % len(self.ensembles)]


def read_plan(path: Path = PLAN) -> Plan:
    """Returns the plan of a YAML file.

    Raises:
        UserError: A part is missing or unknown.
    """
    values = yaml.safe_load(path.read_text(encoding="utf-8"))
    expected = {field.name for field in dataclasses.fields(Plan)}
    if not isinstance(values, dict) or values.keys() != expected:
        raise UserError(f"{path}: must have {', '.join(sorted(expected))}, got {', '.join(sorted(values))}")
    return Plan(**values)
