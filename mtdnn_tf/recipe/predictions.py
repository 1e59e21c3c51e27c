"""Predictions on the development splits, which calibration and fidelity are computed from, kept on disk."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from mtdnn_tf.data.encoded_split import EncodedSplit
from mtdnn_tf.evaluation.measures.average import result_name
from mtdnn_tf.evaluation.runs import predict_with_runs
from mtdnn_tf.files import new_folder, read_array
from mtdnn_tf.locks import remove_leftovers
from mtdnn_tf.manifests import MANIFEST, read_manifest, write_manifest
from mtdnn_tf.modeling.checkpoints.backbones import find_backbone
from mtdnn_tf.modeling.checkpoints.model_folder import model_fingerprint
from mtdnn_tf.recipe import run_names
from mtdnn_tf.recipe.config import RecipeConfig
from mtdnn_tf.recipe.run_names import seed_stage
from mtdnn_tf.report import roles
from mtdnn_tf.tasks.task import Task

_METRICS = "metrics"
_REMEDY = "delete it and run mtdnn recipe again"


class ComparedPredictions:
    """Development predictions of ensemble, multi-task models and students of a recipe whose stages are all done.

    `by_role` has a role's predictions by result name, one per seed; `ensemble_metrics` are by result name.
    """

    def __init__(self, config: RecipeConfig) -> None:
        self._data = config.base.data.encoded(find_backbone(config.base.encoder.backbone).tokenizer())
        ensemble, self.ensemble_metrics = _read(config, "ensemble")
        self.by_role = {roles.ENSEMBLE: [ensemble]}
        for role in (roles.STUDENT, roles.MULTI_TASK):
            names = [seed_stage(role, seed) for seed in config.all_seeds]
            self.by_role[role] = [_read(config, name, config.stage_folder(name))[0] for name in names]

    def splits(self, task: Task) -> dict[str, EncodedSplit]:
        """Returns a task's development splits by result name."""
        return {result_name(task, split): self._data.split(task, split) for split in task.evaluation_splits}


def _read(
    config: RecipeConfig, name: str, run: Path | None = None
) -> tuple[dict[str, np.ndarray], dict[str, dict[str, float]]]:
    """Returns predictions and metrics of a run, or each task's ensemble, from disk if the weights are the same."""
    folder, tasks = config.stage_folder(f"predictions/{name}"), config.base.data.selected_tasks()
    runs_of = {task.name: [run] if run else run_names.ensemble(config, task) for task in tasks}
    made_from = {task: [model_fingerprint(run) for run in runs] for task, runs in runs_of.items()}
    if (folder / MANIFEST).is_file():
        manifest = read_manifest(folder, _REMEDY)
        if manifest.get("made_from") == made_from:
            known = manifest[_METRICS]
            return {name: read_array(folder / _file(name), _REMEDY) for name in known}, known
    grouped: dict[tuple[Path, ...], list[Task]] = {}  # Each run is read once for the tasks that it answers.
    for task in tasks:
        grouped.setdefault(tuple(runs_of[task.name]), []).append(task)
    found = {}
    for runs, answered in grouped.items():
        if any(task.evaluation_splits for task in answered):
            data, inference = config.base.data.task_data(), config.base.inference_settings()
            found.update(predict_with_runs(runs, answered, [], data, inference))
    predictions = {result: predicted.predictions for result, predicted in found.items()}
    metrics = {result: predicted.metrics() for result, predicted in found.items()}
    remove_leftovers(folder)
    with new_folder(folder) as temporary:
        for result, values in predictions.items():
            np.save(temporary / _file(result), values, allow_pickle=False)
        write_manifest(temporary, {"made_from": made_from, _METRICS: metrics})
    return predictions, metrics


def _file(result: str) -> str:
    return f"{result.replace('/', '-')}.npy"
