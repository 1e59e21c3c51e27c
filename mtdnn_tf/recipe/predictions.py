"""Predictions on the development splits, which calibration and fidelity are computed from, kept on disk."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np

from mtdnn_tf.data.encoded_split import EncodedSplit
from mtdnn_tf.evaluation.runs import predict_with_runs
from mtdnn_tf.files import new_folder, read_array
from mtdnn_tf.locks import remove_leftovers
from mtdnn_tf.manifests import MANIFEST, read_manifest, write_manifest
from mtdnn_tf.modeling.checkpoints.backbones import find_backbone
from mtdnn_tf.modeling.checkpoints.model_folder import model_fingerprint
from mtdnn_tf.recipe.config import RecipeConfig
from mtdnn_tf.recipe.run_names import RunNames
from mtdnn_tf.report.data import ENSEMBLE, MULTI_TASK, STUDENT
from mtdnn_tf.tasks.task import Task
from mtdnn_tf.training.config import TrainingConfig

_METRICS = "metrics"
_REMEDY = "delete it and run tools.recipe again"


class DevelopmentPredictions(NamedTuple):
    """What a model predicts on the development splits.

    Attributes:
        predictions: Float32 [examples, num_outputs] by result name: probabilities or scores.
        metrics: The tasks' metrics by result name.
    """

    predictions: dict[str, np.ndarray]
    metrics: dict[str, dict[str, float]]


def development_predictions(
    folder: Path, base: TrainingConfig, tasks: list[Task], runs_of: Callable[[Task], list[Path]]
) -> DevelopmentPredictions:
    """Returns a model's predictions, from its folder if they were computed before with the same weights.

    Args:
        folder: Where they are kept.
        base: Says where the data stand.
        tasks: The tasks to predict.
        runs_of: Returns the runs whose predictions for a task are averaged.
    """
    made_from = {task.name: [model_fingerprint(run) for run in runs_of(task)] for task in tasks}
    if (folder / MANIFEST).is_file():
        manifest = read_manifest(folder, _REMEDY)
        if manifest.get("made_from") == made_from:
            predictions = {name: read_array(folder / _file(name), _REMEDY) for name in manifest[_METRICS]}
            return DevelopmentPredictions(predictions, manifest[_METRICS])
    predictions, metrics = {}, {}
    inference = base.inference_settings()
    for runs, answered in _by_runs(tasks, runs_of):
        results = predict_with_runs(runs, answered, [], base.data.task_data(), inference)
        for name, result in results.items():
            predictions[name], metrics[name] = result.predictions, result.metrics()
    remove_leftovers(folder)
    with new_folder(folder) as temporary:
        for name, values in predictions.items():
            np.save(temporary / _file(name), values, allow_pickle=False)
        write_manifest(temporary, {"made_from": made_from, _METRICS: metrics})
    return DevelopmentPredictions(predictions, metrics)


def _by_runs(tasks: list[Task], runs_of: Callable[[Task], list[Path]]) -> list[tuple[list[Path], list[Task]]]:
    """Returns the tasks that the same runs answer together, so that each run is read once for them."""
    grouped: dict[tuple[Path, ...], list[Task]] = {}
    for task in tasks:
        grouped.setdefault(tuple(runs_of(task)), []).append(task)
    return [(list(runs), answered) for runs, answered in grouped.items() if any(t.evaluation_splits for t in answered)]


def _file(result_name: str) -> str:
    return f"{result_name.replace('/', '-')}.npy"


class ComparedPredictions:
    """Development predictions of ensemble, multi-task models and students, and the splits that they are of.

    Args:
        config: A recipe whose stages are all done.
    """

    def __init__(self, config: RecipeConfig) -> None:
        self._config = config
        self._names = RunNames(config)
        self._data = config.base.data.encoded(find_backbone(config.base.encoder.backbone).tokenizer())
        ensemble = self._read("ensemble", self._names.ensemble)
        self.ensemble_metrics = ensemble.metrics
        self._by_role = {
            ENSEMBLE: [ensemble.predictions],
            STUDENT: [self._of_run(self._names.student(seed)) for seed in config.all_seeds],
            MULTI_TASK: [self._of_run(self._names.multi_task(seed)) for seed in config.all_seeds],
        }

    def of(self, role: str) -> list[dict[str, np.ndarray]]:
        """Returns predictions by result name, one a seed, of the models of a role."""
        return self._by_role[role]

    def split(self, task: Task, split: str) -> EncodedSplit:
        """Returns a development split, with its gold labels."""
        return self._data.split(task, split)

    def _of_run(self, name: str) -> dict[str, np.ndarray]:
        return self._read(name, lambda task: [self._names.folder(name)]).predictions

    def _read(self, name: str, runs_of: Callable[[Task], list[Path]]) -> DevelopmentPredictions:
        folder = self._config.stage_folder(f"predictions/{name}")
        return development_predictions(folder, self._config.base, self._config.tasks(), runs_of)
