"""One training run: from a configuration to a run folder with a trained model."""

from __future__ import annotations

import contextlib
import dataclasses
import logging
import shutil
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import tensorflow as tf

from mtdnn_tf.checked_json import read_checked_json, write_checked_json
from mtdnn_tf.data.encoded_split import EncodedSplit
from mtdnn_tf.data.encoding import encode_split
from mtdnn_tf.data.settings import write_run_data
from mtdnn_tf.data.word_pieces import WordPieceTokenizer
from mtdnn_tf.distillation.soft_targets import SoftTargets, find_soft_targets
from mtdnn_tf.errors import UserError
from mtdnn_tf.evaluation.development import development_metrics
from mtdnn_tf.evaluation.gold_labels import check_gold_labels
from mtdnn_tf.evaluation.predictor import InferenceSettings, Predictor
from mtdnn_tf.files import write_text
from mtdnn_tf.interruption import Interrupted, postponed, stop_if_asked
from mtdnn_tf.locks import locked_folder, remove_leftovers
from mtdnn_tf.modeling.backbones import find_backbone
from mtdnn_tf.modeling.heads import choose_heads
from mtdnn_tf.modeling.layer_selection import select_layers
from mtdnn_tf.modeling.model_folder import MODEL_FOLDER, save_model
from mtdnn_tf.modeling.multi_task_model import (
    MultiTaskModel,
    build_multi_task_model,
    check_length,
    tokenizer_of,
)
from mtdnn_tf.modeling.precision import with_loss_scale
from mtdnn_tf.modeling.pretrained import with_pooling
from mtdnn_tf.tasks.task import TRAIN, Task
from mtdnn_tf.training.checkpoints import Checkpoints, SaveCheckpoints, StopIfAsked
from mtdnn_tf.training.cluster import ALONE, Cluster, all_agree, chief_first, ending_with_the_others, read_cluster
from mtdnn_tf.training.compiled_trainer import CompiledTrainer
from mtdnn_tf.training.config import TrainingConfig
from mtdnn_tf.training.development_logs import log_development_metrics
from mtdnn_tf.training.finite import StopIfNotFinite
from mtdnn_tf.training.folds import check_initial_run, hold_out
from mtdnn_tf.training.identity import REMEDY, begun_with, check_identity, run_identity, write_identity
from mtdnn_tf.training.inputs import TaskInputs, TrainingInputs, join_task_inputs, task_inputs
from mtdnn_tf.training.layer_decay import decay_rates
from mtdnn_tf.training.optimizers import build_optimizer
from mtdnn_tf.training.schedule import LinearWarmupDecay
from mtdnn_tf.training.static_fit import static_fit
from mtdnn_tf.training.strategies import MULTI_WORKER, make_strategy
from mtdnn_tf.training.traces import LogTraces
from mtdnn_tf.training.trainer import Trainer
from mtdnn_tf.training.transfer import check_soft_targets, transfer_inputs

METRICS = "metrics/validation.json"
LOGS = "logs"
CHECKPOINTS = "checkpoints"
_log = logging.getLogger("absl")


def _prepare_inputs(
    config: TrainingConfig, tasks: list[Task], tokenizer: WordPieceTokenizer, targets: dict[str, SoftTargets]
) -> list[TaskInputs]:
    inputs = []
    for task in tasks:
        encoded = encode_split(task, TRAIN, config.source, tokenizer, config.max_sequence_length, config.cache_dir)
        rows, weighting = config.train_rows(len(encoded), encoded.queries), config.distill_variance_weighting
        parts = [hold_out(task_inputs(task, encoded, rows, targets.get(task.name), weighting), config.fold)]
        inputs.append(join_task_inputs(parts + transfer_inputs(config, task, tokenizer, targets)))
    return inputs


def is_trained(folder: Path) -> bool:
    """Returns whether a run folder holds a training that has ended."""
    return (folder / METRICS).is_file() and (folder / MODEL_FOLDER).is_dir()


def read_metrics(folder: Path) -> dict[str, dict[str, float]]:
    """Returns the development metrics of a trained run, by result name.

    Raises:
        UserError: They are damaged.
    """
    return read_checked_json(folder / METRICS, f"copy the last epoch_*.json beside it over it, or {REMEDY}")


class TrainingSize(NamedTuple):
    """How much a training is.

    Attributes:
        examples: Rows that are trained on.
        steps_per_epoch: Batches that hold each of them once.
    """

    examples: int
    steps_per_epoch: int


def training_size(config: TrainingConfig, tokenizer: WordPieceTokenizer) -> TrainingSize:
    """Returns how much a training is, before it is begun.

    Rows that only soft targets, which may not be made yet, can teach are not counted.

    Args:
        config: The training.
        tokenizer: Encodes the rows for it; their number depends on none.
    """
    tasks = [task for task in config.selected_tasks() if task.head_of is None]
    inputs = _prepare_inputs(dataclasses.replace(config, soft_targets=(), transfer_splits=()), tasks, tokenizer, {})
    plan = TrainingInputs(inputs, config.batch_size, config.seed, batch_tokens=config.batch_tokens).plan
    return TrainingSize(sum(len(task.rows) for task in inputs), plan.steps_per_epoch)


def _encode_development_splits(
    config: TrainingConfig, tasks: list[Task], tokenizer: WordPieceTokenizer
) -> list[EncodedSplit]:
    """Finds the mistakes in them before an epoch is trained, not after."""
    return [
        encode_split(task, split, config.source, tokenizer, config.max_sequence_length, config.cache_dir)
        for task in tasks
        for split in task.evaluation_splits
    ]


def train(
    config: TrainingConfig,
    network_builder: Callable[..., MultiTaskModel] = build_multi_task_model,
    optimizer_builder: Callable[..., Any] = build_optimizer,
) -> dict[str, dict[str, float]]:
    """Trains one model, continuing from the last checkpoint if the run was interrupted.

    Args:
        config: Everything that decides the run.
        network_builder: Builds the network from the arguments of `build_multi_task_model`, the default.
        optimizer_builder: Builds the optimizer from the arguments of `build_optimizer`, the default.

    Returns:
        Development metrics by "<task>" or, for a task with several development splits, "<task>/<split>".

    Raises:
        UserError: Something given is not accepted; a new run folder is then left without files.
        Interrupted: A signal asked to stop; a checkpoint of the last step stands.
    """
    cluster = read_cluster() if config.strategy == MULTI_WORKER else ALONE
    with contextlib.ExitStack() as stack:
        if cluster.is_chief:
            what = f"--output_dir {config.output_dir}"
            stack.enter_context(locked_folder(config.output_dir, what, [Path(METRICS).parent.name]))
        stack.enter_context(ending_with_the_others(cluster))
        # Workers connect before TensorFlow does anything else.
        strategy = make_strategy(config.strategy, config.tpu)
        return _train(config, cluster, strategy, network_builder, optimizer_builder)


def _train(
    config: TrainingConfig,
    cluster: Cluster,
    strategy: tf.distribute.Strategy,
    network_builder: Callable[..., MultiTaskModel],
    optimizer_builder: Callable[..., Any],
) -> dict[str, dict[str, float]]:
    folder, config = config.output_dir, begun_with(config)
    tasks = config.selected_tasks()
    trained_tasks = [task for task in tasks if task.head_of is None]
    pretrained = with_pooling(find_backbone(config.init_from or config.backbone), config.pooling)
    if config.student_layers is not None:
        pretrained = select_layers(pretrained, config.student_layers)
    check_length(pretrained, config.max_sequence_length)
    check_initial_run(config, trained_tasks)
    targets = find_soft_targets(config.soft_targets, trained_tasks) if config.soft_targets else {}
    check_soft_targets(config, trained_tasks, targets)
    config.task_sampler.check_tasks([task.name for task in trained_tasks])
    tokenizer = tokenizer_of(pretrained)
    with chief_first(cluster, strategy):
        inputs = _prepare_inputs(config, trained_tasks, tokenizer, targets)
    # A fold that is held out changes no head: teachers of all folds are of one architecture.
    examples = {task.task.name: len(task.rows) + task.held_out for task in inputs}
    tasks = choose_heads(tasks, examples, config.pair_head)
    trained_tasks = [task for task in tasks if task.head_of is None]
    evaluates = config.evaluation != "never" and cluster.is_chief
    development = _encode_development_splits(config, tasks, tokenizer) if evaluates else []
    identity = run_identity(config, pretrained, inputs, targets, development)
    check_identity(folder, identity)
    if is_trained(folder):
        _log.info("%s: already trained", folder)
        if cluster.is_chief:
            # The data may be in another place now, and runs of earlier versions have no record of it.
            write_run_data(folder, config.data_settings, tasks)
            _clean(folder)
        return read_metrics(folder)
    for split in development:
        check_gold_labels(split)

    if config.deterministic:
        tf.config.experimental.enable_op_determinism()
    tf.keras.backend.clear_session()
    tf.keras.utils.set_random_seed(config.seed)
    training = TrainingInputs(inputs, config.batch_size, config.seed, config.task_sampler, config.batch_tokens)
    total_steps = config.epochs * training.plan.steps_per_epoch
    with strategy.scope():
        network = network_builder(
            pretrained, tasks, config.dropout, config.seed, config.precision, config.recompute_activations
        )
        trainer_class = CompiledTrainer if config.is_compiled else Trainer
        micro_batches, parts = config.micro_batches_and_parts
        trainer = trainer_class(network, trained_tasks, config.distillation, total_steps, micro_batches, parts)
        rate = LinearWarmupDecay(config.learning_rate, total_steps, round(config.warmup_ratio * total_steps))
        optimizer = optimizer_builder(config.optimizer, rate, network)
        decay_rates(optimizer, network, config.layer_decay)
        trainer.compile(optimizer=with_loss_scale(optimizer, config.precision))
        checkpoints = Checkpoints(trainer, folder / CHECKPOINTS, config.keep_checkpoints)
        step = checkpoints.restore()
    if not all_agree(cluster, strategy, step):
        raise UserError(f"--output_dir {folder}: workers see different checkpoints; they need a shared folder")
    if cluster.is_chief:
        write_identity(folder, identity)
        write_text(folder / "config.flags", config.to_flagfile())
        write_run_data(folder, config.data_settings, tasks)
    _log.info(
        "%s: %d tasks (%d with soft targets), %d examples, %d steps an epoch, %s",
        folder,
        len(inputs),
        len({name.partition("/")[0] for name in targets}),
        sum(len(task.rows) for task in inputs),
        training.plan.steps_per_epoch,
        f"continues at step {step} of {total_steps}" if step else f"{total_steps} steps",
    )
    least = 1 if config.evaluation == "every_epoch" else config.checkpoint_interval // 10
    callbacks = [StopIfNotFinite(checkpoints, training.task_of, str(folder)), StopIfAsked(), LogTraces()]
    if cluster.is_chief:
        callbacks += [
            SaveCheckpoints(checkpoints, config.checkpoint_interval, least),
            # Every call of fit would write the graph, of megabytes, once more.
            tf.keras.callbacks.TensorBoard(str(folder / LOGS), write_graph=False, update_freq="epoch"),
        ]
    steps_per_epoch = training.plan.steps_per_epoch
    fit = static_fit(config, trainer, training, strategy) if config.is_compiled else None
    settings = InferenceSettings(config.evaluation_batch_size, parts, strategy if config.is_compiled else None)
    predictor = Predictor(network, settings)
    end = step
    batches = None if fit else training.dataset(lambda: range(step, end), strategy, micro_batches * parts)
    verbose = 1 if sys.stderr.isatty() else 0
    metrics: dict[str, dict[str, float]] = {}
    try:
        while True:
            if step and step % steps_per_epoch == 0 and cluster.is_chief:
                epoch = step // steps_per_epoch
                if config.evaluation == "every_epoch" or (config.evaluation == "end" and step == total_steps):
                    metrics = _evaluate_epoch(config, epoch, predictor, tasks, tokenizer)
            if step == total_steps:
                break
            epoch = step // steps_per_epoch
            end = (epoch + 1) * steps_per_epoch
            started = time.monotonic()
            with postponed():
                if fit is not None:
                    fitted = fit(step, end, epoch, callbacks, verbose)
                else:
                    fitted = trainer.fit(
                        batches,
                        initial_epoch=epoch,
                        epochs=epoch + 1,
                        steps_per_epoch=end - step,
                        verbose=verbose,
                        callbacks=callbacks,
                    )
            _log_epoch(config, epoch, fitted.history, time.monotonic() - started, end - step)
            step = end
            stop_if_asked()
        with chief_first(cluster, strategy):
            if cluster.is_chief:
                architecture = pretrained.config, tokenizer, config.max_sequence_length
                save_model(network, tasks, *architecture, folder / MODEL_FOLDER)
                write_checked_json(folder / METRICS, metrics)
                _clean(folder)
        # Who left while others still wait would be taken for one that has failed.
        all_agree(cluster, strategy, step)
    except Interrupted as stop:
        if cluster.is_chief:
            checkpoints.save()
        raise stop.at(f"at step {int(trainer.optimizer.iterations.numpy())} of {folder}") from None
    return read_metrics(folder)


def _clean(folder: Path) -> None:
    """Removes what a trained run needs no more, and what killed processes left."""
    # The trained model stands; a checkpoint with its optimizer is three times its size and of no more use.
    shutil.rmtree(folder / CHECKPOINTS, ignore_errors=True)
    remove_leftovers(folder / MODEL_FOLDER)


def _evaluate_epoch(
    config: TrainingConfig,
    epoch: int,
    predictor: Predictor,
    tasks: list[Task],
    tokenizer: WordPieceTokenizer,
) -> dict[str, dict[str, float]]:
    """Returns the development metrics after an epoch, computed unless an interrupted run had written them."""
    path = config.output_dir / "metrics" / f"epoch_{epoch:03}.json"
    if not path.is_file():
        metrics = development_metrics(
            predictor,
            tasks,
            config.source,
            tokenizer,
            config.max_sequence_length,
            config.cache_dir,
        )
        write_checked_json(path, metrics)
        log_development_metrics(config.output_dir / LOGS, epoch, metrics)
    metrics = read_checked_json(path, "delete it and run the same command again")
    for name, values in metrics.items():
        shown = ", ".join(f"{metric} {value:.4f}" for metric, value in values.items())
        _log.info("%s: epoch %d: %s: %s", config.output_dir, epoch, name, shown)
    return metrics


def _log_epoch(config: TrainingConfig, epoch: int, history: dict[str, list[Any]], seconds: float, steps: int) -> None:
    losses = ", ".join(
        f"{name[: -len('/loss')]} {values[-1]:.4f}" for name, values in history.items() if name.endswith("/loss")
    )
    _log.info(
        "%s: epoch %d of %d: %d steps in %.0f s, loss: %s",
        config.output_dir,
        epoch + 1,
        config.epochs,
        steps,
        seconds,
        losses,
    )
