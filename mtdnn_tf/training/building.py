"""What a training run trains: model, optimizer, batches and checkpoints."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import tensorflow as tf

from mtdnn_tf.modeling.multi_task_model import MultiTaskModel
from mtdnn_tf.training.checkpoints import Checkpoints
from mtdnn_tf.training.inputs.static_batches import StaticBatches
from mtdnn_tf.training.inputs.training_inputs import TrainingInputs
from mtdnn_tf.training.loop import KerasSteps, StaticSteps, Steps
from mtdnn_tf.training.optimization.optimizers import LinearWarmupDecay, decay_rates, with_loss_scale
from mtdnn_tf.training.preparation import Prepared, trained
from mtdnn_tf.training.trainer import CompiledTrainer, Trainer

CHECKPOINTS = "checkpoints"


@dataclasses.dataclass(frozen=True)
class Built:
    """A training run whose model is built."""

    prepared: Prepared
    strategy: tf.distribute.Strategy
    trainer: Trainer
    batches: TrainingInputs
    steps: Steps
    checkpoints: Checkpoints
    total_steps: int


def build(
    prepared: Prepared,
    strategy: tf.distribute.Strategy,
    network_builder: Callable[..., MultiTaskModel],
    optimizer_builder: Callable[..., Any],
) -> Built:
    """Builds the model of a run, with new heads and an optimizer of no steps."""
    config = prepared.config
    encoder, optimization = config.encoder, config.optimization
    if config.runtime.deterministic:
        tf.config.experimental.enable_op_determinism()
    tf.keras.backend.clear_session()
    tf.keras.utils.set_random_seed(optimization.seed)
    sampler = dataclasses.replace(config.sampler, epochs=optimization.epochs)
    batches = TrainingInputs(
        prepared.inputs, optimization.batch_size, optimization.seed, sampler, optimization.batch_tokens
    )
    total_steps = optimization.epochs * batches.plan.steps_per_epoch
    micro_batches, parts = config.micro_batches_and_parts
    with strategy.scope():
        network = network_builder(
            prepared.pretrained,
            prepared.tasks,
            encoder.dropout,
            optimization.seed,
            optimization.precision,
            optimization.recompute_activations,
        )
        trainer = (CompiledTrainer if config.runtime.is_compiled else Trainer)(
            network, trained(prepared.tasks), config.distillation, total_steps, micro_batches, parts
        )
        warmup = round(optimization.warmup_ratio * total_steps)
        rate = LinearWarmupDecay(optimization.learning_rate, total_steps, warmup)
        optimizer = optimizer_builder(optimization.optimizer, rate, network)
        decay_rates(optimizer, network, optimization.layer_decay)
        trainer.compile(optimizer=with_loss_scale(optimizer, optimization.precision))
        checkpoints = Checkpoints(trainer, config.output_dir / CHECKPOINTS, config.checkpoints.keep_checkpoints)
    if config.runtime.is_compiled:
        static = StaticBatches(
            batches,
            optimization.batch_size if optimization.batch_tokens is None else None,
            config.data.max_sequence_length,
            strategy.num_replicas_in_sync,
            micro_batches,
            optimization.steps_per_execution,
        )
        steps: Steps = StaticSteps(trainer, static, strategy)
    else:
        steps = KerasSteps(trainer, batches, strategy, micro_batches * parts)
    return Built(prepared, strategy, trainer, batches, steps, checkpoints, total_steps)
