"""One training run: from a configuration to a run folder with a trained model."""

from __future__ import annotations

import contextlib
import logging
import shutil
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import tensorflow as tf

from mtdnn_tf.data.settings import write_run_data
from mtdnn_tf.errors import UserError
from mtdnn_tf.evaluation.gold_labels import check_gold_labels
from mtdnn_tf.evaluation.measures.average import result_name
from mtdnn_tf.evaluation.predictor import InferenceSettings, Predictor
from mtdnn_tf.evaluation.runs import SplitPredictions
from mtdnn_tf.files import write_text
from mtdnn_tf.interruption import Interrupted, postponed, stop_if_asked
from mtdnn_tf.json_files import read_checked_json, write_checked_json
from mtdnn_tf.locks import locked_folder, remove_leftovers
from mtdnn_tf.modeling.checkpoints.model_folder import MODEL_FOLDER, save_model
from mtdnn_tf.modeling.multi_task_model import MultiTaskModel, build_multi_task_model
from mtdnn_tf.tasks.task import Task
from mtdnn_tf.training import cluster as workers
from mtdnn_tf.training.best_epoch import BestEpoch, KeptEpoch, epoch_metrics, write_kept_epoch
from mtdnn_tf.training.building import CHECKPOINTS, Built, build
from mtdnn_tf.training.callbacks import run_callbacks
from mtdnn_tf.training.config import EVERY_EPOCH, TrainingConfig
from mtdnn_tf.training.identity import REMEDY, begun_with, check_finished, check_identity, write_identity
from mtdnn_tf.training.loggers.logger import VALIDATION, Loggers, open_loggers
from mtdnn_tf.training.loop import run_epoch
from mtdnn_tf.training.optimization.optimizers import build_optimizer
from mtdnn_tf.training.preparation import Prepared, prepare
from mtdnn_tf.training.strategies import MULTI_WORKER, make_strategy

LOGS = "logs"
METRICS = "metrics/validation.json"
_BEST_MODEL = "best_model"
Metrics = dict[str, dict[str, float]]
_log = logging.getLogger("absl")


def is_trained(folder: Path) -> bool:
    """Returns whether a run folder holds a training that has ended."""
    return (folder / METRICS).is_file() and (folder / MODEL_FOLDER).is_dir()


def read_metrics(folder: Path) -> Metrics:
    """Returns the development metrics of a trained run, by result name."""
    return read_checked_json(folder / METRICS, f"copy the last epoch_*.json beside it over it, or {REMEDY}")


def check_trained(config: TrainingConfig) -> Metrics:
    """Returns what `train` does for a finished training, but loads neither data nor an encoder."""
    check_finished(config)
    _log.info("%s: already trained", config.output_dir)
    _finish(config, config.data.selected_tasks())
    return read_metrics(config.output_dir)


def train(
    config: TrainingConfig,
    network_builder: Callable[..., MultiTaskModel] = build_multi_task_model,
    optimizer_builder: Callable[..., Any] = build_optimizer,
    callbacks: Sequence[tf.keras.callbacks.Callback] = (),
) -> Metrics:
    """Trains one model, continuing from the last checkpoint if the run was interrupted.

    Args:
        config: Everything that decides the run.
        network_builder: Builds the network from the arguments of `build_multi_task_model`, the default.
        optimizer_builder: Builds the optimizer from the arguments of `build_optimizer`, the default.
        callbacks: Called beside the run's own at the beginnings and ends of steps and epochs; none by default.

    Returns:
        Development metrics by "<task>" or, for a task with several development splits, "<task>/<split>".

    Raises:
        UserError: Something given is not accepted; a new run folder is then left without files.
        Interrupted: A signal asked to stop; there is a checkpoint of the last step.
    """
    cluster = workers.read_cluster() if config.runtime.strategy == MULTI_WORKER else workers.ALONE
    folder = config.output_dir
    with contextlib.ExitStack() as stack:
        if cluster.is_chief:
            stack.enter_context(locked_folder(folder, f"`output_dir` {folder}", [Path(METRICS).parent.name]))
        stack.enter_context(workers.report_worker_failure(cluster))
        # Workers connect before TensorFlow does anything else.
        strategy = make_strategy(config.runtime.strategy, config.runtime.tpu)
        prepared = prepare(begun_with(config), cluster, strategy)
        check_identity(folder, prepared.identity)
        if not is_trained(folder):
            for split in prepared.development:
                check_gold_labels(split)
            best = _best_epoch(prepared)
            _finish_training(build(prepared, strategy, network_builder, optimizer_builder), cluster, best, callbacks)
        else:
            _log.info("%s: already trained", folder)
            if cluster.is_chief:
                _finish(config, prepared.tasks)
        return read_metrics(folder)


def _finish(config: TrainingConfig, tasks: Sequence[Task]) -> None:
    """Records where the data of a trained run are now, and removes what it no longer needs."""
    # The data may have been moved, and runs of earlier versions have no record of them.
    write_run_data(config.output_dir, config.data, tasks)
    # A checkpoint with its optimizer is three times the size of the trained model.
    shutil.rmtree(config.output_dir / CHECKPOINTS, ignore_errors=True)
    for name in (MODEL_FOLDER, _BEST_MODEL):
        remove_leftovers(config.output_dir / name)


def _finish_training(
    built: Built,
    cluster: workers.Cluster,
    best: BestEpoch | None,
    callbacks: Sequence[tf.keras.callbacks.Callback],
) -> None:
    """Makes the steps after the last checkpoint, evaluates, and writes model and metrics."""
    prepared, strategy, checkpoints = built.prepared, built.strategy, built.checkpoints
    config, folder = prepared.config, prepared.config.output_dir
    with strategy.scope():
        step = checkpoints.restore()
    if not workers.is_same_on_all_workers(cluster, strategy, step):
        raise UserError(f"`output_dir` {folder}: workers see different checkpoints; they need a shared folder")
    if cluster.is_chief:
        write_identity(folder, prepared.identity)
        write_text(folder / "config.flags", config.to_flagfile())
        write_run_data(folder, config.data, prepared.tasks)
    taught, rows = {name.partition("/")[0] for name in prepared.targets}, [len(task.rows) for task in prepared.inputs]
    sizes = f"{len(rows)} tasks ({len(taught)} with soft targets), {sum(rows)} examples"
    steps = f"continues at step {step} of {built.total_steps}" if step else f"{built.total_steps} steps"
    _log.info("%s: %s, %d steps an epoch, %s", folder, sizes, built.batches.plan.steps_per_epoch, steps)
    try:
        with open_loggers(
            config.checkpoints.loggers if cluster.is_chief else (), folder / LOGS, folder, config
        ) as logs:
            metrics = _run_epochs(built, step, cluster.is_chief, best, logs, callbacks)
        with workers.run_on_chief_first(cluster, strategy):
            if cluster.is_chief:
                write_checked_json(folder / METRICS, metrics)
                if best is None:
                    _save_model(built, MODEL_FOLDER)
                else:
                    shutil.rmtree(folder / MODEL_FOLDER, ignore_errors=True)
                    (folder / _BEST_MODEL).replace(folder / MODEL_FOLDER)
                _finish(config, prepared.tasks)
        # A worker that left while others still wait would count as failed.
        workers.is_same_on_all_workers(cluster, strategy, built.total_steps)
    except Interrupted as stop:
        if cluster.is_chief:
            checkpoints.save()
        raise stop.at(f"at step {int(built.trainer.optimizer.iterations.numpy())} of {folder}") from None


def _run_epochs(
    built: Built,
    step: int,
    is_chief: bool,
    best: BestEpoch | None,
    loggers: Loggers,
    further: Sequence[tf.keras.callbacks.Callback],
) -> Metrics:
    """Makes the steps from `step` on; returns the metrics of the epoch that is kept, the last by default."""
    config, per_epoch = built.prepared.config, built.batches.plan.steps_per_epoch
    epochs, when = config.optimization.epochs, config.checkpoints.evaluation
    callbacks = [*run_callbacks(built, is_chief, loggers), *further]
    verbose = 1 if sys.stderr.isatty() else 0
    strategy = built.strategy if config.runtime.is_compiled else None
    settings = InferenceSettings(config.runtime.evaluation_batch_size, config.micro_batches_and_parts[1], strategy)
    predictor = Predictor(built.trainer.network, settings)
    metrics: Metrics = {}
    while True:
        epoch = step // per_epoch
        is_due = when == EVERY_EPOCH or (when == "end" and epoch == epochs)
        if step and step % per_epoch == 0 and is_chief and is_due:
            metrics = _evaluate(built, predictor, epoch, loggers)
            if best is not None:
                kept = best.until(epoch)
                if kept.epoch == epoch:
                    _save_model(built, _BEST_MODEL)
                if best.ends_at(kept) or step == built.total_steps:
                    return _keep(config.output_dir, kept)
        if step == built.total_steps:
            return metrics
        end = (epoch + 1) * per_epoch
        started = time.monotonic()
        with postponed():
            logs = run_epoch(built.trainer, built.steps, built.strategy, step, end, epoch, callbacks, verbose)
        shown = [f"{name[: -len('/loss')]} {value:.4f}" for name, value in logs.items() if name.endswith("/loss")]
        what = f"{end - step} steps in {time.monotonic() - started:.0f} s, loss: {', '.join(shown)}"
        _log.info("%s: epoch %d of %d: %s", config.output_dir, epoch + 1, epochs, what)
        step = end
        stop_if_asked()


def _save_model(built: Built, name: str) -> None:
    prepared = built.prepared
    length, path = prepared.config.data.max_sequence_length, prepared.config.output_dir / name
    save_model(built.trainer.network, prepared.tasks, prepared.tokenizer, length, path)


def _best_epoch(prepared: Prepared) -> BestEpoch | None:
    """Returns what finds the best epoch, on the worker that evaluates, if the run keeps it."""
    config, options = prepared.config, prepared.config.checkpoints
    if not (options.keep_best_by and prepared.evaluates):
        return None
    results = [result_name(split.task, split.split) for split in prepared.development]
    return BestEpoch(config.output_dir, options.keep_best_by, results, options.patience)


def _keep(folder: Path, kept: KeptEpoch) -> Metrics:
    """Records the epoch that is kept, and returns its metrics."""
    write_kept_epoch(folder, kept)
    _log.info("%s: keeps %s", folder, kept)
    return read_checked_json(epoch_metrics(folder, kept.epoch), REMEDY)


def _evaluate(built: Built, predictor: Predictor, epoch: int, loggers: Loggers) -> Metrics:
    """Returns the development metrics after an epoch, computed unless an interrupted run had written them."""
    folder = built.prepared.config.output_dir
    path = epoch_metrics(folder, epoch)
    if not path.is_file():
        metrics = {
            result_name(split.task, split.split): SplitPredictions(split, predictor.predict(split)).metrics()
            for split in built.prepared.development
        }
        write_checked_json(path, metrics)
        scores = {f"{name}/{metric}": value for name, values in metrics.items() for metric, value in values.items()}
        loggers.log(VALIDATION, epoch, scores)
    metrics = read_checked_json(path, "delete it and run the same command again")
    for name, values in metrics.items():
        shown = ", ".join(f"{metric} {value:.4f}" for metric, value in values.items())
        _log.info("%s: epoch %d: %s: %s", folder, epoch, name, shown)
    return metrics
