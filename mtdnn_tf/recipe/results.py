"""The results of a recipe: development metrics of every model by seed, and what they say in sentences."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from mtdnn_tf.evaluation.measures.average import Metrics
from mtdnn_tf.evaluation.measures.fidelity import Gain
from mtdnn_tf.evaluation.results_table import Runs
from mtdnn_tf.recipe import run_names
from mtdnn_tf.recipe.config import RecipeConfig
from mtdnn_tf.recipe.predictions import ComparedPredictions
from mtdnn_tf.recipe.run_names import seed_stage, teacher_stage, tuned_teacher_stage
from mtdnn_tf.recipe.selection import kept_teachers
from mtdnn_tf.report.data import (
    ENSEMBLE,
    FINE_TUNED_MULTI_TASK,
    FINE_TUNED_STUDENT,
    MULTI_TASK,
    SINGLE_TASK,
    STUDENT,
    TEACHER,
    Cost,
)
from mtdnn_tf.training.run import read_metrics


@dataclasses.dataclass(frozen=True)
class ModelResults:
    """The development metrics of one model, by seed and result name; an ensemble has the seed 0."""

    name: str  # In tables.
    role: str  # One of the report's.
    by_seed: Mapping[int, Mapping[str, Metrics]]

    def to_json(self) -> dict[str, Any]:
        """Returns it as JSON values."""
        runs = [{"seed": seed, "metrics": metrics} for seed, metrics in self.by_seed.items()]
        return {"name": self.name, "role": self.role, "runs": runs}


def collect_results(config: RecipeConfig, predictions: ComparedPredictions) -> list[ModelResults]:
    """Returns the results of every model of a recipe whose stages are all done, in the order of the tables."""
    seeds, tasks, first_seed = config.all_seeds, config.trained_tasks(), config.base.optimization.seed

    def metrics(name: str) -> dict[str, Metrics]:
        return dict(read_metrics(config.stage_folder(name)))

    def per_task(model: str) -> dict[int, dict[str, Metrics]]:
        return {seed: _merged(metrics(seed_stage(model, seed, task)) for task in tasks) for seed in seeds}

    results = []
    if config.single_task:
        results.append(ModelResults("single-task", SINGLE_TASK, per_task(run_names.SINGLE_TASK)))
    for number, (backbone, dropout) in enumerate(config.grid, start=1):
        of_backbone = f"{backbone.rstrip('/').split('/')[-1]}, " if len(config.teacher_backbones) > 1 else ""
        name = f"teacher {number} ({of_backbone}dropout {dropout:g})"
        results.append(ModelResults(name, TEACHER, {first_seed + number: metrics(teacher_stage(number))}))
    for place, number in enumerate(kept_teachers(config) if config.fine_tune_teachers else (), start=1):
        tuned = _merged(metrics(tuned_teacher_stage(task, place)) for task in config.taught_tasks())
        results.append(ModelResults(f"teacher {number}, fine-tuned", TEACHER, {first_seed + number: tuned}))
    results.append(ModelResults(f"ensemble of {config.kept}", ENSEMBLE, {0: dict(predictions.ensemble_metrics)}))
    for name, role, tuned_role, model in (
        ("multi-task", MULTI_TASK, FINE_TUNED_MULTI_TASK, run_names.MULTI_TASK),
        ("distilled student", STUDENT, FINE_TUNED_STUDENT, run_names.STUDENT),
    ):
        results.append(ModelResults(name, role, {seed: metrics(seed_stage(model, seed)) for seed in seeds}))
        if config.fine_tune_student:
            results.append(ModelResults(f"{name}, fine-tuned", tuned_role, per_task(run_names.FINE_TUNED + model)))
    return results


def _merged(parts: Iterable[dict[str, Metrics]]) -> dict[str, Metrics]:
    return {name: values for part in parts for name, values in part.items()}


def runs_by_model(results: Sequence[ModelResults]) -> dict[str, Runs]:
    """Returns the metrics of every run as tables of results take them."""
    return {model.name: list(model.by_seed.values()) for model in results}


def finding(gains: Mapping[str, Gain], cost: Cost, num_teachers: int, num_seeds: int) -> list[str]:
    """Returns the finding, the most important sentence first.

    Args:
        gains: By group of tasks; "all" is of all tasks.
        cost: Result of `answering_cost`, whose last two rows are all tasks' ensembles and the student.
        num_teachers: Number of teachers in an ensemble.
        num_seeds: Number of students, over which scores are averaged.
    """
    ensembles, student = cost.rows[-2:]
    return [
        _scores(gains["all"], num_seeds),
        f"Price: the {num_teachers} teachers together have {_times(ensembles.parameters, student.parameters)} the "
        f"student's parameters ({_millions(ensembles.parameters)} million against {_millions(student.parameters)} "
        f"million) and need {_times(ensembles.flops, student.flops)} its computation to answer all tasks.",
    ]


def _scores(gain: Gain, num_seeds: int) -> str:
    if gain.ensemble is None:
        return f"Average score: student {_score(gain.student)}, multi-task model {_score(gain.baseline)}."
    tasks = len(gain.tasks)
    of = f"average of {tasks} task{'s' if tasks > 1 else ''}" + (
        f", mean of {num_seeds} seeds" if num_seeds > 1 else ""
    )
    scores = (
        f"the ensemble of teachers scores {_score(gain.ensemble)}, the multi-task model {_score(gain.baseline)} and "
        f"the distilled student {_score(gain.student)} ({of})"
    )
    if gain.kept is None:
        verdict = "The ensemble is no better than one model, so there is nothing to distil"
    elif gain.kept >= 1.0:
        verdict = "The student is as good as the ensemble of its teachers"
    elif gain.kept > 0.0:
        verdict = f"The student keeps {100 * gain.kept:.0f} % of what the ensemble gains over one model"
    else:
        verdict = "The student keeps nothing of what the ensemble gains over one model"
    return f"{verdict}: {scores}."


def _score(value: float) -> str:
    return f"{100 * value:.1f}"


def _millions(value: float | None) -> str:
    return f"{(value or 0) / 1e6:.1f}" if (value or 0) < 1e8 else f"{(value or 0) / 1e6:.0f}"


def _times(larger: float | None, smaller: float | None) -> str:
    return f"{(larger or 0) / (smaller or 1):.1f} times"
