"""What Python users do: train, score, distil and load."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from absl import logging

from mtdnn_tf.api.inputs import INPUTS, Data, Tasks, task_options
from mtdnn_tf.api.model import Model
from mtdnn_tf.api.teachers import Teacher, is_trained, table_options, teacher_file, trained_folders
from mtdnn_tf.data.settings import DataSettings, common_run_data
from mtdnn_tf.distillation.ensemble import PROBABILITIES, check_weights
from mtdnn_tf.distillation.soft_targets import SoftTargets, read_soft_targets, soft_target_folder
from mtdnn_tf.distillation.table_options import TableOptions
from mtdnn_tf.errors import UserError, unknown_name
from mtdnn_tf.evaluation.ensembles.examples_to_label import Selection
from mtdnn_tf.evaluation.ensembles.importing import import_soft_targets
from mtdnn_tf.evaluation.ensembles.scoring import Scoring, is_scored_by
from mtdnn_tf.evaluation.ensembles.scoring import score as run_scoring
from mtdnn_tf.evaluation.run_tasks import tasks_of_run
from mtdnn_tf.files import user_path
from mtdnn_tf.modeling.checkpoints.model_folder import read_tasks
from mtdnn_tf.tasks.task import TRAIN, Task
from mtdnn_tf.training.config import TrainingConfig
from mtdnn_tf.training.run import train as run_training

UNLABELLED = "unlabelled"
# Folder of the soft targets of trained models that are averaged with tables.
TRAINED = "trained"
_EQUALLY = {"weights": None, "average": PROBABILITIES, "fit_weights_on": None, "to_label": None}


def train(
    tasks: Tasks,
    data: Data | None = None,
    *,
    output_dir: str | Path,
    callbacks: Sequence[tf.keras.callbacks.Callback] = (),
    **options: Any,
) -> Model:
    """Trains one model of one or several tasks, or continues its training.

    Args:
        tasks: Declarations such as `Classification`, task files (.yaml), or names of built-in tasks.
        data: The tables of declared tasks, by name, or by name and split (`train`, `validation`, others). A table is a
            mapping of columns, a pandas or polars DataFrame, a Hugging Face Dataset, or a data file.
        output_dir: Folder of the run; the same call continues an interrupted run.
        callbacks: Keras callbacks, whose `model` is the trainer with the losses by task, called at the beginnings and
            ends of steps and epochs. They see each epoch as a training of its own. None by default.
        **options: Options of `mtdnn train` by name, such as `backbone`, `epochs`, `learning_rate`.

    Returns:
        The trained model.

    Raises:
        UserError: A task, table or option is not accepted.

    Example:
        >>> mtdnn.train(intent, {"intent": frame}, output_dir="runs/intent", backbone="demo")  # doctest: +SKIP
    """
    folder = user_path(str(output_dir))
    config = _config(output_dir=folder, **task_options(tasks, data, folder), **options)
    _prepare_cores(config)
    run_training(config, callbacks=callbacks)
    return Model(folder)


def score(
    teachers: Sequence[Teacher],
    tasks: Tasks | None = None,
    data: Data | None = None,
    *,
    output_dir: str | Path,
    split: str = TRAIN,
    weights: Sequence[float] | None = None,
    average: str = PROBABILITIES,
    fit_weights_on: str | None = None,
    rank_by: str | None = None,
    top: int = 100,
    **tables: Any,
) -> dict[str, SoftTargets]:
    """Scores a split with an ensemble of teachers and writes their averaged soft targets.

    Args:
        teachers: Trained models or their folders; of one task also tables of predictions or of a language model's
            answers by `id` (files, DataFrames, mappings of columns), and folders of soft targets.
        tasks: The tasks to score, as in `train`; by default those of the teachers, with the data of their trainings.
        data: Tables of declared tasks, by name, or by name and split; a single table is that of `split`.
        output_dir: Folder of the soft targets, which trainings take as `soft_targets`.
        split: The split to score. Defaults to "train".
        weights: One weight per teacher; equal weights by default.
        average: Average "probabilities" or "logits". Defaults to "probabilities".
        fit_weights_on: A labelled split: weights are fitted on half of it, per task.
        rank_by: "variance", "entropy" or "disagreement": the examples that have most of it are also written to
            `<task>-<split>.<rank_by>.jsonl` in `output_dir`, to be labelled first. None by default.
        top: Number of these examples, or of a ranking's queries. Defaults to 100.
        **tables: Options of tables, by name: `values`, `vote_smoothing`, `label_smoothing`, `calibrate_on`,
            `calibration`, `calibration_from`.

    Returns:
        The soft targets by task. With tables, `manifest["agreement"]` compares teachers with gold labels.

    Raises:
        UserError: A teacher does not answer a task, a table is missing, or weights are not accepted.

    Example:
        >>> mtdnn.score(["runs/1", "runs/2"], output_dir="runs/soft_targets")  # doctest: +SKIP
    """
    folder = user_path(str(output_dir))
    options = table_options(tables, folder / INPUTS)
    trained = [teacher for teacher in teachers if is_trained(teacher)]
    runs = trained_folders(trained) if trained or not teachers else []
    given = {} if tasks is None else task_options(tasks, data, folder, split)
    if teachers and not given and not runs:
        raise UserError("`tasks` must be one task where a teacher is a table, got none")
    # Each teacher encodes for itself, to the length that it was trained on.
    settings = DataSettings(**{**common_run_data(runs, {*given, "max_sequence_length"}), **given})
    known = settings.selected_tasks() if given or not runs else tasks_of_run(runs[0], (), settings.task_file)
    to_label = None if rank_by is None else Selection(rank_by, top)
    how = {"weights": weights, "average": average, "fit_weights_on": fit_weights_on, "to_label": to_label}
    if len(runs) == len(teachers):
        return _score(runs, known, settings, folder, split, how)
    if average != PROBABILITIES or fit_weights_on is not None or to_label is not None:
        raise UserError("`teachers` must be trained models with `average`, `fit_weights_on` or `rank_by`, got a table")
    if len(known) != 1:
        raise UserError(f"`tasks` must be one task where a teacher is a table, got {len(known)}")
    return _import(teachers, known[0], settings, folder, split, weights, options)


def _import(
    teachers: Sequence[Teacher],
    task: Task,
    settings: DataSettings,
    folder: Path,
    split: str,
    weights: Sequence[float] | None,
    options: TableOptions,
) -> dict[str, SoftTargets]:
    """Averages tables and folders of soft targets, and trained models as one such folder."""
    check_weights(weights, len(teachers))
    shares: dict[bool, list[tuple[Teacher, float]]] = {True: [], False: []}
    for teacher, weight in zip(teachers, weights or [1.0] * len(teachers)):
        shares[is_trained(teacher)].append((teacher, weight))
    files = [teacher_file(teacher, folder / INPUTS) for teacher, _ in shares[False]]
    values, file_weights = options.values_of(files), [weight for _, weight in shares[False]]
    of_runs = [weight for _, weight in shares[True]]
    if any(of_runs):
        runs = trained_folders([teacher for teacher, _ in shares[True]])
        _score(runs, [task], settings, folder / TRAINED, split, {**_EQUALLY, "weights": of_runs if weights else None})
        files, values, file_weights = (
            [*files, folder / TRAINED],
            [*values, PROBABILITIES],
            [*file_weights, sum(of_runs)],
        )
    how = options.replace(values=tuple(values))
    store = import_soft_targets(files, task, split, settings.source, folder, (), file_weights, how)
    return {task.name: read_soft_targets(store)}


def distill(
    tasks: Tasks,
    data: Data | None = None,
    *,
    output_dir: str | Path,
    teachers: int | Sequence[Teacher] = 3,
    student: Mapping[str, Any] | None = None,
    **options: Any,
) -> Model:
    """Distils an ensemble of teachers into one student.

    Teachers learn from the labelled rows. The student learns from the same rows, with gold labels and soft targets, and
    from the split `unlabelled`, if a task has one, with soft targets only. The same call continues where it stopped.

    Args:
        tasks: See `train`.
        data: See `train`.
        output_dir: Folder for `teachers/<i>`, `soft_targets` and `student`.
        teachers: Number of teachers to train, whose seeds are 1, 2, ... above the student's; or trained models, which
            score the tasks that they have. Defaults to 3.
        student: Options of the student that differ from the teachers', such as `epochs` or `student_layers`.
        **options: Options of `mtdnn train` for teachers and student.

    Returns:
        The student.

    Raises:
        UserError: A task, table or option is not accepted.

    Example:
        >>> mtdnn.distill(intent, {"intent": frame}, output_dir="runs/intent", backbone="demo")  # doctest: +SKIP
    """
    folder = user_path(str(output_dir))
    common = {**task_options(tasks, data, folder), **options}
    config = _config(output_dir=folder / "student", **{**common, **(student or {})})
    _prepare_cores(config)
    if isinstance(teachers, int):
        runs = _train_teachers(teachers, folder / "teachers", config.optimization.seed, common)
    else:
        runs = trained_folders(teachers)
    soft_targets, settings, selected = folder / "soft_targets", config.data, config.data.selected_tasks()
    answered = {task.name for run in runs for task in read_tasks(run)}
    scored = [task for task in selected if task.name in answered]
    if not scored:
        raise UserError(f"`teachers` must answer {' or '.join(task.name for task in selected)}, got {runs[0]}")
    transfer = tuple({UNLABELLED for task in scored if settings.source.has_split(task, UNLABELLED)})
    for split in (TRAIN, *transfer):
        _score(runs, scored, settings, soft_targets, split)
    run_training(config.replace(soft_targets=(soft_targets,), transfer_splits=transfer))
    return Model(config.output_dir)


def _train_teachers(number: int, folder: Path, seed: int, options: Mapping[str, Any]) -> list[Path]:
    """Trains teachers whose seeds follow the student's; returns their folders."""
    if number < 1:
        raise UserError(f"`teachers` must be an integer >= 1 or trained models, got {number}")
    configs = [_config(**{**options, "output_dir": folder / str(i), "seed": seed + i}) for i in range(1, number + 1)]
    for config in configs:
        run_training(config)
    return [config.output_dir for config in configs]


def _score(
    runs: Sequence[Path],
    tasks: Sequence[Task],
    settings: DataSettings,
    folder: Path,
    split: str,
    how: Mapping[str, Any] = _EQUALLY,
) -> dict[str, SoftTargets]:
    """Scores the tasks that have a split; an equal average of the same teachers that is there is kept."""
    settings.check_cache()
    scored = [task for task in tasks if settings.source.has_split(task, split)]
    if not scored:
        raise unknown_name("`split`", split, {name for task in tasks for name in task.files})
    stores = {task.name: soft_target_folder(folder, task, split) for task in scored}
    left = [task for task in scored if how != _EQUALLY or not is_scored_by(stores[task.name], runs)]
    if left:
        run_scoring(Scoring(runs, left, split, settings.task_data(), folder, **how))
    return {name: read_soft_targets(store) for name, store in stores.items()}


def load(run: str | Path) -> Model:
    """Returns a trained model; see `Model`."""
    return Model(run)


def _config(**options: Any) -> TrainingConfig:
    """Returns the configuration of a training; refuses unknown options by name."""
    TrainingConfig.check_names(options)
    known = TrainingConfig.declared()
    paths = {name: _as_declared(value, known[name].value_type, known[name].is_tuple) for name, value in options.items()}
    return TrainingConfig.build(**paths)


def _prepare_cores(config: TrainingConfig) -> None:
    try:
        config.prepare_cores()
    except RuntimeError:
        logging.warning("TensorFlow was used before: training is slower; call mtdnn_tf.train first in a new process")


def _as_declared(value: Any, value_type: str, is_tuple: bool) -> Any:
    """Returns a value with paths as `Path` and lists as tuples, as configurations hold them."""
    if is_tuple and value is not None:
        items = [value] if isinstance(value, (str, Path, int, float)) else value
        return tuple(_as_declared(item, value_type, False) for item in items)
    if isinstance(value, np.generic):
        return value.item()
    return user_path(str(value)) if value_type == "Path" and isinstance(value, (str, Path)) else value
