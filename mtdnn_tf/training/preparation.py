"""What a training run is made of before there is a model: its encoder, tasks, rows and identity."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any, NamedTuple

import tensorflow as tf

from mtdnn_tf.data.encoded_split import EncodedSplit
from mtdnn_tf.data.encoding import EncodedData
from mtdnn_tf.data.word_pieces import WordPieceTokenizer
from mtdnn_tf.distillation.soft_targets import SoftTargets, find_soft_targets
from mtdnn_tf.modeling.checkpoints.backbones import find_backbone
from mtdnn_tf.modeling.checkpoints.layer_selection import select_layers
from mtdnn_tf.modeling.checkpoints.pretrained import PretrainedBackbone, with_pooling
from mtdnn_tf.modeling.heads import choose_heads
from mtdnn_tf.tasks.task import TRAIN, Task
from mtdnn_tf.training.cluster import Cluster, run_on_chief_first
from mtdnn_tf.training.config import TrainingConfig
from mtdnn_tf.training.identity import run_identity
from mtdnn_tf.training.inputs.folds import check_initial_run, hold_out
from mtdnn_tf.training.inputs.training_inputs import TaskInputs, TrainingInputs, join_task_inputs, task_inputs
from mtdnn_tf.training.inputs.transfer import check_soft_targets, transfer_inputs


@dataclasses.dataclass(frozen=True)
class Prepared:
    """A training run before its model is built.

    Attributes:
        config: Its configuration.
        tasks: All tasks, with their heads chosen.
        pretrained: The encoder that it starts from.
        tokenizer: The encoder's word pieces.
        inputs: What each task with a head of its own is trained on.
        targets: Soft targets, by task and split.
        development: The splits that it is evaluated on; empty if this process evaluates nothing.
        identity: Everything that decides its weights, as JSON values.
    """

    config: TrainingConfig
    tasks: list[Task]
    pretrained: PretrainedBackbone
    tokenizer: WordPieceTokenizer
    inputs: list[TaskInputs]
    targets: dict[str, SoftTargets]
    development: list[EncodedSplit]
    identity: dict[str, Any]

    def batches(self) -> TrainingInputs:
        """Returns the batches of every step."""
        steps = self.config.optimization
        return TrainingInputs(self.inputs, steps.batch_size, steps.seed, self.config.task_sampler, steps.batch_tokens)


def prepare(config: TrainingConfig, cluster: Cluster, strategy: tf.distribute.Strategy) -> Prepared:
    """Reads and checks everything that a training run needs before its model is built.

    Args:
        config: The training.
        cluster: Its workers; the chief encodes the data.
        strategy: That of its variables.

    Raises:
        UserError: Something given is not accepted.
    """
    tasks, encoder = config.data.selected_tasks(), config.encoder
    trained_tasks = trained(tasks)
    pretrained = with_pooling(find_backbone(encoder.initial), encoder.pooling)
    if encoder.student_layers is not None:
        pretrained = select_layers(pretrained, encoder.student_layers)
    pretrained.check_length(config.data.max_sequence_length)
    check_initial_run(config, trained_tasks)
    folders = config.distillation.soft_targets
    targets = find_soft_targets(folders, trained_tasks) if folders else {}
    check_soft_targets(config, trained_tasks, targets)
    config.sampler.check_tasks([task.name for task in trained_tasks])
    tokenizer = pretrained.tokenizer()
    data = config.data.encoded(tokenizer)
    with run_on_chief_first(cluster, strategy):
        inputs = _inputs(config, trained_tasks, data, targets)
    # A fold that is held out changes no head: teachers of all folds are of one architecture.
    examples = {task.task.name: len(task.rows) + task.held_out for task in inputs}
    tasks = choose_heads(tasks, examples, encoder.pair_head)
    # Their mistakes are found now, before an epoch is trained.
    evaluates = config.checkpoints.evaluation != "never" and cluster.is_chief
    splits = [(task, split) for task in tasks for split in task.evaluation_splits] if evaluates else []
    development = [data.split(task, split) for task, split in splits]
    identity = run_identity(config, pretrained, inputs, targets, development)
    return Prepared(config, tasks, pretrained, tokenizer, inputs, targets, development, identity)


def trained(tasks: Sequence[Task]) -> list[Task]:
    """Returns the tasks that have a head of their own."""
    return [task for task in tasks if task.head_of is None]


def _inputs(
    config: TrainingConfig, tasks: Sequence[Task], data: EncodedData, targets: dict[str, SoftTargets]
) -> list[TaskInputs]:
    inputs = []
    for task in tasks:
        encoded = data.split(task, TRAIN)
        rows, weighting = config.part.rows(len(encoded), encoded.queries), config.distillation.variance_weighting
        parts = [hold_out(task_inputs(task, encoded, rows, targets.get(task.name), weighting), config.folds.fold)]
        inputs.append(join_task_inputs(parts + transfer_inputs(config, task, data, targets)))
    return inputs


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
    gold_only = config.replace(soft_targets=(), transfer_splits=())
    inputs = _inputs(gold_only, trained(config.data.selected_tasks()), config.data.encoded(tokenizer), {})
    steps = config.optimization
    plan = TrainingInputs(inputs, steps.batch_size, steps.seed, batch_tokens=steps.batch_tokens).plan
    return TrainingSize(sum(len(task.rows) for task in inputs), plan.steps_per_epoch)
