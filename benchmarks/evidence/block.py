"""Runs a block of the study: trains, predicts, and measures everything once at the end."""

from __future__ import annotations

import contextlib
import logging
import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from benchmarks.evidence.splits import UNLABELLED
from benchmarks.evidence.trainings import Block, Training
from mtdnn_tf.distillation.soft_targets import soft_target_folder
from mtdnn_tf.evaluation.ensembles.scoring import Scoring, score
from mtdnn_tf.evaluation.runs import predict_with_runs
from mtdnn_tf.files import new_file
from mtdnn_tf.interruption import stop_if_asked
from mtdnn_tf.json_files import read_checked_json, write_checked_json
from mtdnn_tf.manifests import MANIFEST
from mtdnn_tf.modeling.checkpoints.model_folder import MODEL_FOLDER
from mtdnn_tf.tasks.task import TRAIN
from mtdnn_tf.training.run import train

SECONDS = "seconds.json"
_REMEDY = "delete it"
_log = logging.getLogger("absl")
# Of one model: probabilities or scores [rows, outputs] by task and split.
Predictions = dict[str, np.ndarray]


def run_trainings(block: Block, trainings: Sequence[Training]) -> None:
    """Runs the trainings that have not been run, in order, and writes their predictions.

    Of those that have been, the predictions and the soft targets are enough, as of a block that is continued elsewhere:
    a run that another starts from is trained again if its model is not there.

    Args:
        block: The block.
        trainings: Its trainings, or some of them; the ensemble's members first.
    """
    for number, training in enumerate(trainings, start=1):
        stop_if_asked()
        if _predictions(block, training).is_file():
            continue
        start = training.settings.encoder.init_from
        for earlier in trainings[:number]:
            if str(earlier.settings.output_dir) == start and not _model(earlier).is_dir():
                _log.info("%s: training %s again", block.folder, earlier.name)
                _train(block, earlier)
        _log.info("%s: training %d of %d: %s", block.folder, number, len(trainings), training.name)
        _run(block, training)


def key(task: str, split: str) -> str:
    """Returns the name of a task's predictions of a split."""
    return f"{task}/{split}"


def read_predictions(block: Block, training: Training) -> Predictions:
    """Returns what a training's model predicts."""
    with np.load(_predictions(block, training), allow_pickle=False) as arrays:
        return {name: arrays[name] for name in arrays.files}


def read_seconds(block: Block) -> dict[str, float]:
    """Returns the seconds of each training and scoring; of those that were interrupted, of the last part."""
    path = block.folder / SECONDS
    return read_checked_json(path, _REMEDY) if path.is_file() else {}


def _predictions(block: Block, training: Training) -> Path:
    return block.folder / "predictions" / f"{training.name}.npz"


def _run(block: Block, training: Training) -> None:
    """Trains and predicts; removes weights that nothing else needs."""
    run = training.settings.output_dir
    with _timed(block, training.name):
        _train(block, training)
    tasks = training.settings.data.selected_tasks()
    splits = {task.name: block.splits_of(task.name) for task in tasks}
    predicted = predict_with_runs([run], tasks, splits, block.base.data.task_data(), block.base.inference_settings())
    arrays = {key(result.encoded.task.name, result.encoded.split): result.predictions for result in predicted.values()}
    with new_file(_predictions(block, training)) as temporary, temporary.open("wb") as file:
        np.savez(file, **arrays)
    if not training.is_needed_later:
        shutil.rmtree(_model(training))


def _model(training: Training) -> Path:
    return training.settings.output_dir / MODEL_FOLDER


def _train(block: Block, training: Training) -> None:
    if training.settings.distillation.soft_targets:
        _score(block)
    train(training.settings)


def _score(block: Block) -> None:
    """Scores the training and unlabelled rows of the tasks with teachers."""
    runs = [training.settings.output_dir for training in block.members()]
    base, names = block.base, block.plan.tasks["with_teacher"]
    tasks = [task for task in base.data.selected_tasks() if task.name in names]
    for split in (TRAIN, UNLABELLED):
        stores = [soft_target_folder(block.soft_targets(split), task, split) for task in tasks]
        if all((store / MANIFEST).is_file() for store in stores):
            continue
        with _timed(block, f"soft_targets/{split}"):
            inference = base.inference_settings()
            score(Scoring(runs, tasks, split, base.data.task_data(), block.soft_targets(split), inference=inference))


@contextlib.contextmanager
def _timed(block: Block, name: str) -> Iterator[None]:
    started = time.monotonic()
    yield
    seconds: Mapping[str, float] = {**read_seconds(block), name: round(time.monotonic() - started, 1)}
    write_checked_json(block.folder / SECONDS, seconds)
