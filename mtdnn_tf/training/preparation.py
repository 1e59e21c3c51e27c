"""What a training run is made of before there is a model: its encoder, tasks, rows and identity."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from mtdnn_tf.data.encoded_split import EncodedSplit
from mtdnn_tf.data.tokenizer import Tokenizer
from mtdnn_tf.distillation.soft_targets import SoftTargets, find_soft_targets
from mtdnn_tf.errors import UserError
from mtdnn_tf.evaluation.gold_labels import warn_of_labels
from mtdnn_tf.files import user_path
from mtdnn_tf.modeling.checkpoints.backbones import find_backbone
from mtdnn_tf.modeling.checkpoints.model_folder import MODEL_FOLDER, read_fold, read_tasks
from mtdnn_tf.modeling.checkpoints.pretrained import PretrainedBackbone, select_layers, with_pooling
from mtdnn_tf.modeling.heads import choose_heads
from mtdnn_tf.modeling.narrowing import check_student, narrow
from mtdnn_tf.tasks.task import Task
from mtdnn_tf.training.cluster import Cluster, run_on_chief_first
from mtdnn_tf.training.config import TrainingConfig
from mtdnn_tf.training.identity import run_identity
from mtdnn_tf.training.inputs.task_inputs import TaskInputs, inputs_of_tasks, used_soft_targets
from mtdnn_tf.training.inputs.training_inputs import TrainingInputs

# Training rows whose states choose the directions of a narrower encoder.
_ROWS_OF_STATES = 64
_log = logging.getLogger("absl")


@dataclasses.dataclass(frozen=True)
class Prepared:
    """A training run before its model is built."""

    config: TrainingConfig
    tasks: list[Task]  # All of them, with their heads chosen.
    pretrained: PretrainedBackbone
    tokenizer: Tokenizer
    inputs: list[TaskInputs]  # Of tasks with a head of their own.
    targets: dict[str, SoftTargets]  # By task and split.
    evaluates: bool  # Whether this process evaluates the development splits.
    development: list[EncodedSplit]  # Empty if it does not.
    identity: dict[str, Any]  # Of `run_identity`.


def prepare(config: TrainingConfig, cluster: Cluster, strategy: tf.distribute.Strategy) -> Prepared:
    """Reads and checks everything that a training run needs before its model is built; the chief encodes the data."""
    tasks, encoder = config.data.selected_tasks(), config.encoder
    trained_tasks = trained(tasks)
    pretrained = with_pooling(find_backbone(encoder.initial), encoder.pooling)
    if encoder.student_layers is not None:
        pretrained = select_layers(pretrained, encoder.student_layers)
    check_student(pretrained, None, encoder.student_dim)
    pretrained.check_length(config.data.max_sequence_length)
    if pretrained.config.num_segments < 2 and any(task.is_pair for task in tasks):
        _log.info("%s: both texts of a pair are of one segment, with a separator between them", pretrained.source)
    _check_initial_run(config, trained_tasks)
    folders = config.distillation.soft_targets
    found = find_soft_targets(folders, trained_tasks) if folders else {}
    targets = used_soft_targets(config, trained_tasks, found)
    config.sampler.check_tasks([task.name for task in trained_tasks])
    tokenizer = pretrained.tokenizer()
    data = config.data.encoded(tokenizer)
    with run_on_chief_first(cluster, strategy):
        inputs = inputs_of_tasks(config, trained_tasks, data, targets)
    initial = pretrained
    if encoder.student_dim is not None:
        pretrained = narrow(initial, encoder.student_dim, _spread_rows(inputs))
    # A fold that is held out changes no head: teachers of all folds are of one architecture.
    examples = {task.task.name: len(task.rows) + task.held_out for task in inputs}
    tasks = choose_heads(tasks, examples, encoder.pair_head)
    # Encoding validates development data before an epoch is trained.
    evaluates = config.checkpoints.evaluation != "never" and cluster.is_chief
    development = [data.split(task, split) for task in tasks for split in task.evaluation_splits if evaluates]
    for task in inputs if cluster.is_chief else ():
        rows = task.rows[task.has_gold]
        warn_of_labels(task.encoded, rows)
        of_head = [split for split in development if split.task.head_task == task.task.name]
        batch_size = config.optimization.batch_size if config.optimization.batch_tokens is None else None
        config.checks.check(task.encoded, rows, of_head, tokenizer, batch_size)
    identity = run_identity(config, initial, pretrained.config, inputs, targets, development)
    return Prepared(config, tasks, pretrained, tokenizer, inputs, targets, evaluates, development, identity)


def _spread_rows(inputs: Sequence[TaskInputs]) -> list[dict[str, np.ndarray]]:
    """Returns a few training rows of each task, from the first to the last."""
    count = max(1, _ROWS_OF_STATES // len(inputs))
    places = (np.linspace(0, len(task.rows) - 1, min(count, len(task.rows))).astype(int) for task in inputs)
    return [task.encoded.batch(task.rows[at]) for task, at in zip(inputs, places)]


def trained(tasks: Sequence[Task]) -> list[Task]:
    """Returns the tasks that have a head of their own."""
    return [task for task in tasks if task.head_of is None]


def _check_initial_run(config: TrainingConfig, tasks: Sequence[Task]) -> None:
    """Refuses an encoder of a run that has learned, from the same tasks, the rows that are to be held out."""
    start, fold = user_path(config.encoder.initial), config.folds.fold
    run = start.parent if start.name == MODEL_FOLDER else start
    if fold is None or not (run / MODEL_FOLDER).is_dir() or read_fold(run) == fold:
        return
    shared = sorted({task.name for task in tasks} & {task.name for task in read_tasks(run)})
    if shared:
        learned = read_fold(run)
        raise UserError(
            f"`{'init_from' if config.encoder.init_from else 'backbone'}` {start}: trained on {', '.join(shared)} "
            f"{f'without fold {learned.held_out} of {learned.folds}' if learned else 'without holding out a fold'}; "
            f"`folds={fold.folds}` `held_out_fold={fold.held_out}` needs an encoder that has not seen that fold: of a "
            "run with the same two options, or of other tasks"
        )


class TrainingSize(NamedTuple):
    """How much a training is: rows that are trained on, and batches that hold each of them once."""

    examples: int
    steps_per_epoch: int


def training_size(config: TrainingConfig, tokenizer: Tokenizer) -> TrainingSize:
    """Returns how much a training is, before it is begun.

    Rows without gold labels are not counted: their soft targets may not be made yet.
    """
    gold_only = config.replace(soft_targets=(), transfer_splits=())
    inputs = inputs_of_tasks(gold_only, trained(config.data.selected_tasks()), config.data.encoded(tokenizer), {})
    steps = config.optimization
    plan = TrainingInputs(inputs, steps.batch_size, steps.seed, batch_tokens=steps.batch_tokens).plan
    return TrainingSize(sum(len(task.rows) for task in inputs), plan.steps_per_epoch)
