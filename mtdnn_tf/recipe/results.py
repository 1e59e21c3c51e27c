"""The results of a recipe: development metrics of every model by seed, and what they say in sentences."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

from mtdnn_tf.evaluation.measures.average import Metrics, average, counts_in_average
from mtdnn_tf.evaluation.measures.fidelity import Gain
from mtdnn_tf.evaluation.results_table import Runs
from mtdnn_tf.recipe.config import RecipeConfig
from mtdnn_tf.recipe.predictions import ComparedPredictions
from mtdnn_tf.recipe.run_names import seed_stage, teacher_stage, tuned_teacher_stage
from mtdnn_tf.recipe.selection import kept_teachers
from mtdnn_tf.report import roles
from mtdnn_tf.report.data import Cost, Model, Run
from mtdnn_tf.training.run import read_metrics


def collect_results(config: RecipeConfig, predictions: ComparedPredictions) -> list[Model]:
    """Returns every model of a recipe whose stages are all done, in the order of the tables; an ensemble has seed 0."""
    seeds, tasks, first_seed = config.all_seeds, config.trained_tasks(), config.base.optimization.seed

    def metrics(*stages: str) -> dict[str, Metrics]:
        return {name: of for stage in stages for name, of in read_metrics(config.stage_folder(stage)).items()}

    def per_task(role: str) -> dict[int, dict[str, Metrics]]:
        return {seed: metrics(*(seed_stage(role, seed, task) for task in tasks)) for seed in seeds}

    results: list[tuple[str, str, Mapping[int, Mapping[str, Metrics]]]] = []
    if config.single_task:
        results.append(("single-task", roles.SINGLE_TASK, per_task(roles.SINGLE_TASK)))
    for number, (backbone, dropout) in enumerate(config.grid, start=1):
        of_backbone = f"{backbone.rstrip('/').split('/')[-1]}, " if len(config.teacher_backbones) > 1 else ""
        name = f"teacher {number} ({of_backbone}dropout {dropout:g})"
        results.append((name, roles.TEACHER, {first_seed + number: metrics(teacher_stage(number))}))
    for place, number in enumerate(kept_teachers(config) if config.fine_tune_teachers else (), start=1):
        tuned = metrics(*(tuned_teacher_stage(task, place) for task in config.taught_tasks()))
        results.append((f"teacher {number}, fine-tuned", roles.TEACHER, {first_seed + number: tuned}))
    results.append((f"ensemble of {config.kept}", roles.ENSEMBLE, {0: predictions.ensemble_metrics}))
    for name, role, tuned_role in (
        ("multi-task", roles.MULTI_TASK, roles.FINE_TUNED_MULTI_TASK),
        ("distilled student", roles.STUDENT, roles.FINE_TUNED_STUDENT),
    ):
        results.append((name, role, {seed: metrics(seed_stage(role, seed)) for seed in seeds}))
        if config.fine_tune_student:
            results.append((f"{name}, fine-tuned", tuned_role, per_task(tuned_role)))
    needed = {name for *_, by_seed in results for of in by_seed.values() for name in of if counts_in_average(name)}

    def run(seed: int, metrics: Mapping[str, Metrics]) -> Run:
        over_tasks = average(metrics) if metrics.keys() >= needed else None
        return Run(seed, metrics, over_tasks.score if over_tasks else None)

    return [Model(name, role, [run(seed, of) for seed, of in by_seed.items()]) for name, role, by_seed in results]


def runs_by_model(results: Sequence[Model]) -> dict[str, Runs]:
    """Returns the metrics of every run as tables of results take them."""
    return {model.name: cast(Runs, [run.metrics for run in model.runs]) for model in results}


def models_json(results: Sequence[Model]) -> list[dict[str, Any]]:
    """Returns models as JSON values, without averages."""
    runs = [[{"seed": run.seed, "metrics": run.metrics} for run in model.runs] for model in results]
    return [{"name": model.name, "role": model.role, "runs": of} for model, of in zip(results, runs)]


def finding(gains: Mapping[str, Gain], cost: Cost, num_teachers: int, num_seeds: int) -> list[str]:
    """Returns the finding, the most important sentence first.

    The gain over "all" tasks counts, and the last two rows of `answering_cost`: all tasks' ensembles and the student.
    """
    ensembles, student = ((row.parameters or 0, row.flops or 0) for row in cost.rows[-2:])
    weights, flops = (f"{larger / (smaller or 1):.1f} times" for larger, smaller in zip(ensembles, student))
    of_all, of_one = (f"{count / 1e6:.{1 if count < 1e8 else 0}f} million" for count, _ in (ensembles, student))
    return [
        _scores(gains["all"], num_seeds),
        f"Price: the {num_teachers} teachers together have {weights} the student's parameters ({of_all} against "
        f"{of_one}) and need {flops} its computation to answer all tasks.",
    ]


def _scores(gain: Gain, num_seeds: int) -> str:
    if gain.ensemble is None:
        return f"Average score: student {_score(gain.student)}, multi-task model {_score(gain.baseline)}."
    tasks = len(gain.tasks)
    of = f"average of {tasks} task{'s' * (tasks > 1)}{f', mean of {num_seeds} seeds' * (num_seeds > 1)}"
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
