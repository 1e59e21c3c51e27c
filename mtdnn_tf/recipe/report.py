"""The data of a recipe's report, collected from its stages."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence

from mtdnn_tf.evaluation.measures.average import result_name
from mtdnn_tf.evaluation.measures.calibration import Bin, calibration
from mtdnn_tf.evaluation.measures.fidelity import Gain, fidelity, gain_kept, grouped_gains
from mtdnn_tf.evaluation.measures.statistics import paired_difference
from mtdnn_tf.json_files import finite, read_checked_json
from mtdnn_tf.recipe.config import RecipeConfig
from mtdnn_tf.recipe.cost import answering_cost
from mtdnn_tf.recipe.predictions import ComparedPredictions
from mtdnn_tf.recipe.results import finding
from mtdnn_tf.recipe.run_names import seed_stage
from mtdnn_tf.report import roles
from mtdnn_tf.report.data import (
    AVERAGE,
    Difference,
    Fidelity,
    Model,
    Point,
    Reliability,
    ReportData,
    Run,
    TaskInfo,
    mean_of_all,
    run_score,
    task_summary,
)
from mtdnn_tf.tasks.task import Task

_REMEDY = "delete the run's folder and run mtdnn recipe again"
# First minus second, by role.
_COMPARED = (
    (roles.STUDENT, roles.MULTI_TASK),
    (roles.MULTI_TASK, roles.SINGLE_TASK),
    (roles.STUDENT, roles.SINGLE_TASK),
    (roles.FINE_TUNED_STUDENT, roles.FINE_TUNED_MULTI_TASK),
    (roles.FINE_TUNED_STUDENT, roles.STUDENT),
)
# In the order of `gain_kept`.
_GAINING = (roles.MULTI_TASK, roles.ENSEMBLE, roles.STUDENT)


def report_data(config: RecipeConfig, results: Sequence[Model], predictions: ComparedPredictions) -> ReportData:
    """Returns the data of the report, from the predictions and the result of `collect_results`."""
    by_role = {model.role: model for model in results}
    tasks = _compared_tasks(config)
    infos = [info for _, info in tasks]
    cost = answering_cost(config)
    return ReportData(
        title=f"Distilling {config.kept} teachers into one model of {len(tasks)} tasks",
        models=results,
        tasks=infos,
        differences=[
            difference
            for first, second in _COMPARED
            if first in by_role and second in by_role
            for difference in _differences(by_role[first], by_role[second], infos)
        ],
        curves={by_role[role].name: _curves(config, role, infos) for role in (roles.MULTI_TASK, roles.STUDENT)},
        reliability=[
            reliability
            for task, _ in tasks
            for role in _GAINING
            for reliability in _reliability(by_role[role], task, predictions)
        ],
        fidelity=[_fidelity(task, info, predictions, by_role) for task, info in tasks],
        cost=cost,
        flags=config.base.to_flagfile() + config.to_flagfile(),
        fingerprints=_fingerprints(config),
        finding=finding(gains(config, results), cost, config.kept, len(config.all_seeds)),
        notes=_notes(config),
    )


def _compared_tasks(config: RecipeConfig) -> list[tuple[Task, TaskInfo]]:
    taught, found = config.taught_tasks(), []
    for task in config.trained_tasks():
        if names := [result_name(task, split) for split in task.evaluation_splits]:
            found.append((task, TaskInfo(task.name, task.kind, task.metrics, task in taught, names)))
    return found


def _differences(first: Model, second: Model, tasks: Sequence[TaskInfo]) -> Iterator[Difference]:
    for task in (*tasks, None):
        paired = paired_difference(*(_score_by_seed(model, task) for model in (first, second)))
        if paired is not None:
            name, p_value = task.name if task else AVERAGE, None if paired.n == 1 else paired.p_value
            numbers = (paired.mean, finite(paired.low), finite(paired.high), p_value)
            yield Difference(f"{first.name} - {second.name}", name, *numbers, paired.n)


def _score_by_seed(model: Model, task: TaskInfo | None) -> dict[int, float]:
    """Returns a model's score on a task, or on average, by seed."""
    scores = {run.seed: run_score(run, task) if task else run.average for run in model.runs}
    return {seed: score for seed, score in scores.items() if score is not None}


def _curves(config: RecipeConfig, role: str, tasks: Sequence[TaskInfo]) -> dict[str, list[Point]]:
    """Returns the development scores after each epoch, where the recipe evaluated them."""
    points: dict[str, list[Point]] = {task.name: [] for task in tasks}
    for seed in config.all_seeds:
        for path in sorted(config.stage_folder(f"{seed_stage(role, seed)}/metrics").glob("epoch_*.json")):
            run, epoch = Run(seed, read_checked_json(path, _REMEDY), None), int(path.stem.removeprefix("epoch_"))
            for task in tasks:
                points[task.name].append(Point(epoch, run_score(run, task), seed))
    return points


def _reliability(model: Model, task: Task, predictions: ComparedPredictions) -> Iterator[Reliability]:
    """Returns a model's calibration on a task: per seed the mean over splits, and bins over all seeds and splits."""
    splits = predictions.splits(task)
    by_seed = []
    for of_seed in predictions.by_role[model.role]:
        fits = (calibration(task, of_seed[name], split.labels, split.queries) for name, split in splits.items())
        by_seed.append([fit for fit in fits if fit is not None])
    known = list(itertools.chain.from_iterable(by_seed))
    if known:
        bins = [_joined_bin(same) for same in zip(*(fit.bins for fit in known))]
        nll, brier, ece = (
            [mean_of_all(getattr(fit, name) for fit in fits) for fits in by_seed] for name in ("nll", "brier", "ece")
        )
        yield Reliability(model.name, task.name, bins, nll, brier, ece)


def _joined_bin(bins: Sequence[Bin]) -> Bin:
    count = sum(b.count for b in bins)
    confidence, accuracy = (
        sum((getattr(b, name) or 0.0) * b.count for b in bins) / count if count else None
        for name in ("confidence", "accuracy")
    )
    return Bin(confidence, accuracy, count)


def _fidelity(task: Task, info: TaskInfo, predictions: ComparedPredictions, by_role: Mapping[str, Model]) -> Fidelity:
    """Returns the student's fidelity to the ensemble on a task: per seed the mean over its splits."""
    (ensemble,), splits = predictions.by_role[roles.ENSEMBLE], predictions.splits(task).items()
    by_seed = [
        [fidelity(task, of_seed[name], ensemble[name], split.queries) for name, split in splits]
        for of_seed in predictions.by_role[roles.STUDENT]
    ]
    agreements, divergences = (
        [mean_of_all(getattr(split, measure) for split in splits) for splits in by_seed]
        for measure in ("agreement", "divergence")
    )
    kept = gain_kept(*(_mean_score(by_role[role], info) for role in _GAINING))
    return Fidelity(task.name, agreements, divergences, info.has_teacher, kept)


def gains(config: RecipeConfig, results: Sequence[Model]) -> dict[str, Gain]:
    """Returns the ensemble's gain and the student's share of it: of tasks with soft targets, without, and of all."""
    by_role, infos = {model.role: model for model in results}, [info for _, info in _compared_tasks(config)]
    baseline, ensemble, student = ({info.name: _mean_score(by_role[role], info) for info in infos} for role in _GAINING)
    return grouped_gains(baseline, ensemble, student, [info.name for info in infos if info.has_teacher])


def _mean_score(model: Model, task: TaskInfo) -> float:
    mean = task_summary(model, task).mean
    assert mean is not None  # The models that gain answer every task.
    return mean


def _fingerprints(config: RecipeConfig) -> dict[str, str]:
    run = config.stage_folder(seed_stage(roles.STUDENT, config.all_seeds[0]))
    student = read_checked_json(run / "config.json", _REMEDY)
    return {
        "encoder": str(student["backbone_weights"]),
        **{f"data of {task}": str(key) for task, key in student["data"].items()},
        **{f"soft targets of {name}": str(key) for name, key in student["soft_targets"].items()},
    }


def _notes(config: RecipeConfig) -> list[str]:
    chosen = "only to select teachers"
    if config.base.checkpoints.keep_best_by:
        chosen = "to select teachers and the best epoch of each model: they are higher than on new texts"
    notes = [f"Scores are on development splits, which were used {chosen}."]
    if len(config.all_seeds) == 1:
        notes.append("One seed: differences may be due to chance.")
    if config.base.part.max_examples is not None:
        notes.append(f"At most {config.base.part.max_examples} training examples per task.")
    if config.base.part.fraction is not None:
        notes.append(f"{100 * config.base.part.fraction:g} % of each task's training examples.")
    if config.folds is None:
        notes.append("Soft targets of training rows are in-sample: the teachers were trained on the rows they score.")
    else:
        notes.append(f"Soft targets are out-of-fold, with {config.folds} folds.")
    return notes
