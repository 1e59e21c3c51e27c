"""The data of a recipe's report, collected from its stages."""

from __future__ import annotations

import itertools
import statistics
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from mtdnn_tf.evaluation.measures.average import (
    Metrics,
    average,
    counts_in_average,
    result_name,
    result_score,
    task_of_result,
)
from mtdnn_tf.evaluation.measures.calibration import ReliabilityBin, calibration
from mtdnn_tf.evaluation.measures.fidelity import Gain, fidelity, gain_kept, grouped_gains
from mtdnn_tf.evaluation.measures.statistics import paired_difference
from mtdnn_tf.json_files import read_checked_json
from mtdnn_tf.recipe import run_names
from mtdnn_tf.recipe.config import RecipeConfig
from mtdnn_tf.recipe.cost import answering_cost
from mtdnn_tf.recipe.predictions import ComparedPredictions
from mtdnn_tf.recipe.results import ModelResults, finding
from mtdnn_tf.recipe.run_names import seed_stage
from mtdnn_tf.report.data import (
    AVERAGE,
    ENSEMBLE,
    FINE_TUNED_MULTI_TASK,
    FINE_TUNED_STUDENT,
    MULTI_TASK,
    SINGLE_TASK,
    STUDENT,
    Bin,
    Difference,
    Fidelity,
    Model,
    Point,
    Reliability,
    ReportData,
    Run,
    TaskInfo,
)
from mtdnn_tf.tasks.task import Task

_REMEDY = "delete the run's folder and run tools.recipe again"
# First minus second, by role.
_COMPARED = (
    (STUDENT, MULTI_TASK),
    (MULTI_TASK, SINGLE_TASK),
    (STUDENT, SINGLE_TASK),
    (FINE_TUNED_STUDENT, FINE_TUNED_MULTI_TASK),
    (FINE_TUNED_STUDENT, STUDENT),
)


def report_data(config: RecipeConfig, results: Sequence[ModelResults], predictions: ComparedPredictions) -> ReportData:
    """Returns the data of the report, from the predictions and the result of `collect_results`."""
    by_role = {model.role: model for model in results}
    tasks = [task for task in config.trained_tasks() if task.evaluation_splits]
    taught = {task.name for task in config.taught_tasks()}
    cost = answering_cost(config)
    return ReportData(
        title=f"Distilling {config.kept} teachers into one model of {len(tasks)} tasks",
        models=[_model(model, results) for model in results],
        tasks=[
            TaskInfo(
                task.name,
                task.kind,
                task.metrics,
                task.name in taught,
                [result_name(task, split) for split in task.evaluation_splits],
            )
            for task in tasks
        ],
        differences=[
            difference
            for first, second in _COMPARED
            if first in by_role and second in by_role
            for difference in _differences(by_role[first], by_role[second], tasks)
        ],
        curves={by_role[role].name: _curves(config, role, tasks) for role in (MULTI_TASK, STUDENT)},
        reliability=[
            reliability
            for task in tasks
            for role in (MULTI_TASK, ENSEMBLE, STUDENT)
            for reliability in _reliability(by_role[role].name, task, predictions, role)
        ],
        fidelity=[_fidelity(task, task.name in taught, predictions, by_role) for task in tasks],
        cost=cost,
        flags=config.base.to_flagfile() + config.to_flagfile(),
        fingerprints=_fingerprints(config),
        finding=finding(gains(config, results), cost, config.kept, len(config.all_seeds)),
        notes=_notes(config),
    )


def _model(model: ModelResults, results: Sequence[ModelResults]) -> Model:
    columns = {name for other in results for metrics in other.by_seed.values() for name in metrics}
    needed = {name for name in columns if counts_in_average(name)}
    runs = []
    for seed, metrics in model.by_seed.items():
        over_tasks = average(metrics) if needed <= set(metrics) else None
        runs.append(Run(seed, metrics, over_tasks.score if over_tasks else None))
    return Model(model.name, model.role, runs)


def _scores(metrics: Mapping[str, Metrics], task: str) -> list[float]:
    return [result_score(values) for name, values in metrics.items() if task_of_result(name) == task]


def _score_by_seed(model: ModelResults, task: str) -> dict[int, float]:
    """Returns a model's score on a task, or on average, by seed."""
    if task == AVERAGE:
        averages = {seed: average(metrics) for seed, metrics in model.by_seed.items()}
        return {seed: mean.score for seed, mean in averages.items() if mean}
    scores = {seed: _scores(metrics, task) for seed, metrics in model.by_seed.items()}
    return {seed: statistics.fmean(values) for seed, values in scores.items() if values}


def _differences(first: ModelResults, second: ModelResults, tasks: Sequence[Task]) -> Iterator[Difference]:
    for task in (*(task.name for task in tasks), AVERAGE):
        paired = paired_difference(_score_by_seed(first, task), _score_by_seed(second, task))
        if paired is not None:
            alone = paired.n == 1
            low, high, p_value = (None, None, None) if alone else (paired.low, paired.high, paired.p_value)
            yield Difference(f"{first.name} - {second.name}", task, paired.mean, low, high, p_value, paired.n)


def _curves(config: RecipeConfig, role: str, tasks: Sequence[Task]) -> dict[str, list[Point]]:
    """Returns the development scores after each epoch, where the recipe evaluated them."""
    points: dict[str, list[Point]] = {task.name: [] for task in tasks}
    for seed in config.all_seeds:
        folder = config.stage_folder(seed_stage(run_names.STUDENT if role == STUDENT else run_names.MULTI_TASK, seed))
        for path in sorted((folder / "metrics").glob("epoch_*.json")):
            metrics, epoch = read_checked_json(path, _REMEDY), int(path.stem.removeprefix("epoch_"))
            for task in tasks:
                points[task.name].append(Point(epoch, statistics.fmean(_scores(metrics, task.name)), seed))
    return points


def _reliability(model: str, task: Task, predictions: ComparedPredictions, role: str) -> Iterator[Reliability]:
    """Returns a model's calibration on a task: per seed the mean over splits, and bins over all seeds and splits."""
    splits = [
        (
            result_name(task, split),
            np.asarray(predictions.split(task, split).labels),
            _queries(predictions, task, split),
        )
        for split in task.evaluation_splits
    ]
    by_seed = []
    for of_seed in predictions.by_role[role]:
        fits = (calibration(task, of_seed[name], gold, queries) for name, gold, queries in splits)
        by_seed.append([fit for fit in fits if fit is not None])
    known = list(itertools.chain.from_iterable(by_seed))
    if known:
        bins = [_joined_bin(same) for same in zip(*(fit.bins for fit in known))]
        nll, brier, ece = (
            [_mean([getattr(fit, name) for fit in fits]) for fits in by_seed] for name in ("nll", "brier", "ece")
        )
        yield Reliability(model, task.name, bins, nll, brier, ece)


def _joined_bin(bins: Sequence[ReliabilityBin]) -> Bin:
    count = sum(b.count for b in bins)
    if not count:
        return Bin(None, None, 0)
    confidence, accuracy = (
        sum((getattr(b, name) or 0.0) * b.count for b in bins) / count for name in ("confidence", "accuracy")
    )
    return Bin(confidence, accuracy, count)


def _fidelity(
    task: Task, has_teacher: bool, predictions: ComparedPredictions, by_role: Mapping[str, ModelResults]
) -> Fidelity:
    """Returns the student's fidelity to the ensemble on a task: per seed the mean over its splits."""
    (ensemble,) = predictions.by_role[ENSEMBLE]
    queries = {result_name(task, split): _queries(predictions, task, split) for split in task.evaluation_splits}
    by_seed = [
        [fidelity(task, of_seed[name], ensemble[name], of_split) for name, of_split in queries.items()]
        for of_seed in predictions.by_role[STUDENT]
    ]
    agreements, divergences = (
        [_mean([getattr(split, measure) for split in splits]) for splits in by_seed]
        for measure in ("agreement", "divergence")
    )
    baseline, ensemble_score, student = (
        statistics.fmean(_score_by_seed(by_role[role], task.name).values()) for role in (MULTI_TASK, ENSEMBLE, STUDENT)
    )
    kept = gain_kept(baseline, ensemble_score, student)
    return Fidelity(task.name, agreements, divergences, has_teacher, kept)


def _queries(predictions: ComparedPredictions, task: Task, split: str) -> np.ndarray | None:
    queries = predictions.split(task, split).queries
    return None if queries is None else np.asarray(queries)


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return statistics.fmean(known) if len(known) == len(values) else None


def gains(config: RecipeConfig, results: Sequence[ModelResults]) -> dict[str, Gain]:
    """Returns the ensemble's gain and the student's share of it: of tasks with soft targets, without, and of all."""
    by_role = {model.role: model for model in results}
    tasks = [task.name for task in config.trained_tasks() if task.evaluation_splits]
    baseline, ensemble, student = (
        {task: statistics.fmean(_score_by_seed(by_role[role], task).values()) for task in tasks}
        for role in (MULTI_TASK, ENSEMBLE, STUDENT)
    )
    return grouped_gains(baseline, ensemble, student, [task.name for task in config.taught_tasks()])


def _fingerprints(config: RecipeConfig) -> dict[str, str]:
    run = config.stage_folder(seed_stage(run_names.STUDENT, config.all_seeds[0]))
    student = read_checked_json(run / "config.json", _REMEDY)
    fingerprints = {"encoder": str(student["backbone_weights"])}
    fingerprints.update({f"data of {task}": str(key) for task, key in student["data"].items()})
    fingerprints.update({f"soft targets of {name}": str(key) for name, key in student["soft_targets"].items()})
    return fingerprints


def _notes(config: RecipeConfig) -> list[str]:
    notes = ["Scores are on development splits, which were used only to select teachers."]
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
