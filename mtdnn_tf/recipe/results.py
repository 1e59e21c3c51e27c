"""What came out: the development metrics of every model of a recipe, by seed."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from mtdnn_tf.evaluation.measures.average import Metrics
from mtdnn_tf.evaluation.results_table import Runs
from mtdnn_tf.recipe.config import RecipeConfig
from mtdnn_tf.recipe.predictions import ComparedPredictions
from mtdnn_tf.recipe.run_names import RunNames
from mtdnn_tf.report.data import (
    ENSEMBLE,
    FINE_TUNED_MULTI_TASK,
    FINE_TUNED_STUDENT,
    MULTI_TASK,
    SINGLE_TASK,
    STUDENT,
    TEACHER,
)
from mtdnn_tf.training.run import read_metrics


@dataclasses.dataclass(frozen=True)
class ModelResults:
    """The metrics of one model.

    Attributes:
        name: Its name in tables.
        role: One of the report's roles.
        by_seed: Development metrics by result name, by seed; a teacher has its own seed alone, an ensemble the seed 0.
    """

    name: str
    role: str
    by_seed: Mapping[int, Mapping[str, Metrics]]

    def to_json(self) -> dict[str, Any]:
        """Returns it as JSON values."""
        runs = [{"seed": seed, "metrics": metrics} for seed, metrics in self.by_seed.items()]
        return {"name": self.name, "role": self.role, "runs": runs}


def collect_results(config: RecipeConfig, predictions: ComparedPredictions) -> list[ModelResults]:
    """Returns the results of every model, in the order of the tables.

    Args:
        config: A recipe whose stages are all done.
        predictions: Of its models.
    """
    runs, seeds, tasks = RunNames(config), config.all_seeds, config.trained_tasks()

    def metrics(name: str) -> dict[str, Metrics]:
        return dict(read_metrics(runs.folder(name)))

    results = []
    if config.single_task:
        alone = {seed: _merged(metrics(runs.single_task(task, seed)) for task in tasks) for seed in seeds}
        results.append(ModelResults("single-task", SINGLE_TASK, alone))
    for number, (backbone, dropout) in enumerate(config.grid, start=1):
        of_backbone = f"{backbone.rstrip('/').split('/')[-1]}, " if len(config.teacher_backbones) > 1 else ""
        name, seed = f"teacher {number} ({of_backbone}dropout {dropout:g})", config.base.optimization.seed + number
        results.append(ModelResults(name, TEACHER, {seed: metrics(runs.teacher(number))}))
    if config.fine_tune_teachers:
        for place in runs.places:
            number = runs.kept_number(place)
            tuned = _merged(metrics(runs.fine_tuned_teacher(task, place)) for task in config.taught_tasks())
            seed = config.base.optimization.seed + number
            results.append(ModelResults(f"teacher {number}, fine-tuned", TEACHER, {seed: tuned}))
    results.append(ModelResults(f"ensemble of {config.kept}", ENSEMBLE, {0: dict(predictions.ensemble_metrics)}))
    for name, role, tuned_role, model in (
        ("multi-task", MULTI_TASK, FINE_TUNED_MULTI_TASK, "multi_task"),
        ("distilled student", STUDENT, FINE_TUNED_STUDENT, "student"),
    ):
        results.append(ModelResults(name, role, {seed: metrics(f"{model}/seed_{seed}") for seed in seeds}))
        if config.fine_tune_student:
            by_seed = {seed: _merged(metrics(runs.fine_tuned(model, task, seed)) for task in tasks) for seed in seeds}
            results.append(ModelResults(f"{name}, fine-tuned", tuned_role, by_seed))
    return results


def _merged(parts: Iterable[dict[str, Metrics]]) -> dict[str, Metrics]:
    return {name: values for part in parts for name, values in part.items()}


def runs_by_model(results: Sequence[ModelResults]) -> dict[str, Runs]:
    """Returns the metrics of every run as tables of results take them."""
    return {model.name: list(model.by_seed.values()) for model in results}
