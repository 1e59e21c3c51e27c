"""What the study compares, and its statistics: paired differences, Holm's correction, the share of the gain kept."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from benchmarks.evidence.plan import Plan
from benchmarks.evidence.splits import TEST
from benchmarks.evidence.trainings import ENSEMBLE, FINE_TUNED, MULTI_TASK, SINGLE_TASK, SINGLE_TASK_EQUAL_STEPS
from mtdnn_tf.evaluation.measures.statistics import PairedDifference, paired_difference

SIGNIFICANT = 0.05
STUDENT, ANNEALED, TRANSFER = "student", "student_annealed", "student_transfer"
SMALL = "student_transfer_3_layers"
# First minus second. Holm's correction is over the first group.
PRIMARY = (
    (MULTI_TASK, SINGLE_TASK),
    (STUDENT, MULTI_TASK),
    (ANNEALED, MULTI_TASK),
    (TRANSFER, MULTI_TASK),
    (f"{STUDENT}{FINE_TUNED}", f"{MULTI_TASK}{FINE_TUNED}"),
)
SECONDARY = (
    (MULTI_TASK, SINGLE_TASK_EQUAL_STEPS),
    (f"{MULTI_TASK}{FINE_TUNED}", MULTI_TASK),
    (TRANSFER, STUDENT),
    (SMALL, MULTI_TASK),
)
# Results of a model: each task's metrics, calibration and agreement by (task, split).
ByTask = Mapping[tuple[str, str], Mapping[str, Any]]


class Study:
    """The results of all blocks, by arm and seed.

    Args:
        plan: The plan.
        blocks: Result of `read_results`.
    """

    def __init__(self, plan: Plan, blocks: Sequence[Mapping[str, Any]]) -> None:
        self.plan = plan
        self.blocks = blocks
        self.models: dict[str, dict[int, dict[tuple[str, str], dict[str, Any]]]] = {}
        for block in blocks:
            for model in block["models"]:
                of_seed = self.models.setdefault(model["arm"], {}).setdefault(model["seed"], {})
                of_seed.update({(found["task"], found["split"]): found for found in model["results"]})

    def task_groups(self) -> dict[str, Sequence[str]]:
        """Returns the groups of tasks that averages are over."""
        tasks = self.plan.tasks
        return {
            "average": self.plan.trained_tasks,
            "with a teacher": tasks["with_teacher"],
            "without a teacher": tasks["without_teacher"],
        }

    def scores(self, arm: str, tasks: Sequence[str], split: str = TEST) -> dict[int, float]:
        """Returns the mean score over tasks by seed; a task's score is the mean of its metrics."""
        return {
            seed: statistics.fmean(score(results[task, split]) for task in tasks)
            for seed, results in self.models[arm].items()
        }

    def measures(self, arm: str, name: str, split: str = TEST) -> list[float]:
        """Returns a calibration measure by seed, the mean over the classification tasks."""
        tasks = self.plan.trained_tasks
        fits = [[results[task, split]["calibration"] for task in tasks] for results in self.models[arm].values()]
        return [statistics.fmean(fit[name] for fit in of_seed if fit is not None) for of_seed in fits]

    def difference(self, first: str, second: str, tasks: Sequence[str]) -> Difference:
        """Returns the difference of two arms, paired by seed."""
        one, other = self.scores(first, tasks), self.scores(second, tasks)
        of_ensembles = {}
        for number, seeds in enumerate(self.plan.ensembles):
            pairs = [one[seed] - other[seed] for seed in seeds if seed in one and seed in other]
            if pairs:
                of_ensembles[number] = statistics.fmean(pairs)
        by_ensemble = paired_difference(of_ensembles, dict.fromkeys(of_ensembles, 0.0))
        by_seed = paired_difference(one, other)
        assert by_seed is not None and by_ensemble is not None
        return Difference(by_seed, by_ensemble)

    def ensemble_gains(self, tasks: Sequence[str]) -> list[float]:
        """Returns each ensemble's score less the mean of its members'."""
        ensembles, members = self.scores(ENSEMBLE, tasks), self.scores(MULTI_TASK, tasks)
        return [
            ensembles[number] - statistics.fmean(members[seed] for seed in seeds)
            for number, seeds in enumerate(self.plan.ensembles, start=1)
        ]


class Difference(NamedTuple):
    """The difference of two arms.

    Attributes:
        by_seed: Paired by seed.
        by_ensemble: Of the mean differences of the students of each ensemble, which share their teachers.
    """

    by_seed: PairedDifference
    by_ensemble: PairedDifference

    def support(self, adjusted_p: float) -> str:
        """Returns "yes" if the first arm is better, "for these ensembles" if their spread is too large to say more."""
        if adjusted_p >= SIGNIFICANT or self.by_seed.mean <= 0:
            return "no"
        return "yes" if self.by_ensemble.low > 0 else "for these ensembles"


def score(result: Mapping[str, Any]) -> float:
    """Returns the mean of a task's metrics; an undefined correlation counts as 0."""
    return statistics.fmean(value or 0.0 for value in result["metrics"].values())


def holm(p_values: Sequence[float]) -> list[float]:
    """Returns p values adjusted by Holm's step-down method (1979), in the order given."""
    adjusted, highest = [0.0] * len(p_values), 0.0
    for rank, place in enumerate(sorted(range(len(p_values)), key=lambda i: p_values[i])):
        highest = max(highest, min(1.0, (len(p_values) - rank) * p_values[place]))
        adjusted[place] = highest
    return adjusted
