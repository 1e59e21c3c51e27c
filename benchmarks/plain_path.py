"""The multi-task model and optimizer of plain Keras and KerasNLP layers, without the product's faster ones."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import tensorflow as tf

from mtdnn_tf.modeling.backbone import build_keras_nlp_backbone
from mtdnn_tf.modeling.bert_weights import assign_weights
from mtdnn_tf.modeling.multi_task_model import MultiTaskModel
from mtdnn_tf.modeling.precision import FLOAT32, layers_of_precision
from mtdnn_tf.modeling.pretrained import PretrainedBackbone
from mtdnn_tf.modeling.recomputation import recompute_activations
from mtdnn_tf.tasks.task import Task
from mtdnn_tf.training.optimizers import ADAMW_EPSILON, WEIGHT_DECAY, build_optimizer, decayed_variables


class PlainMultiTaskModel(MultiTaskModel):
    """A multi-task model whose encoder computes all positions, whatever the heads read."""

    def reads_all_positions(self, tasks: Collection[str]) -> bool:
        """Returns True."""
        return True


def build_plain_model(
    pretrained: PretrainedBackbone,
    tasks: Sequence[Task],
    dropout: float = 0.1,
    seed: int = 0,
    precision: str = FLOAT32,
    recompute: bool = False,
) -> PlainMultiTaskModel:
    """Builds what `build_multi_task_model` does, with the encoder's layers as KerasNLP and Keras have them.

    Args:
        pretrained: The encoder to start from.
        tasks: The tasks to answer.
        dropout: Dropout rate inside the encoder. Defaults to 0.1.
        seed: Seed of the heads' initial weights. Defaults to 0.
        precision: Precision of the encoder: "float32", "mixed_bfloat16" or "mixed_float16". Defaults to float32.
        recompute: Whether the encoder's layers recompute activations in the backward pass. Defaults to False.
    """
    # As in `build_multi_task_model`: checkpoints then hold the state of dropout.
    tf.keras.backend.experimental.enable_tf_random_generator()
    with layers_of_precision(precision):
        backbone = build_keras_nlp_backbone(pretrained.config, dropout)
    if recompute:
        recompute_activations(backbone)
    if pretrained.weights:
        assign_weights(backbone, pretrained.weights, pretrained.source)
    return PlainMultiTaskModel(backbone, tasks, seed)


def build_plain_optimizer(name: str, learning_rate: Any, model: tf.keras.Model) -> tf.keras.optimizers.Optimizer:
    """Builds what `build_optimizer` does, with Keras's own Adamax and AdamW.

    Args:
        name: Name of the optimizer.
        learning_rate: A number or a schedule.
        model: The model to train.
    """
    if name == "adamax":
        optimizer = tf.keras.optimizers.Adamax(learning_rate)
    elif name == "adamw":
        optimizer = tf.keras.optimizers.AdamW(learning_rate, weight_decay=WEIGHT_DECAY, epsilon=ADAMW_EPSILON)
        optimizer.exclude_from_weight_decay(var_list=decayed_variables(model)[1])
    else:
        return build_optimizer(name, learning_rate, model)
    optimizer.build(model.trainable_variables)
    return optimizer
