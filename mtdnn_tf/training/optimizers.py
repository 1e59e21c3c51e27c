"""Optimizers by name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import tensorflow as tf

from mtdnn_tf.errors import UserError, unknown_name
from mtdnn_tf.training.fused_adamax import FusedAdamax
from mtdnn_tf.training.fused_adamw import FusedAdamW

WEIGHT_DECAY = 0.01
ADAMW_EPSILON = 1e-6


def decayed_variables(model: tf.keras.Model) -> tuple[list[tf.Variable], list[tf.Variable]]:
    """Splits a model's trainable variables into those that weight decay shrinks and those it spares.

    BERT spares LayerNorm's gamma and beta and every bias. KerasNLP's variable names do not tell them apart from each
    other, so they are told by the number of axes: these vectors are the only variables of fewer than two, but for
    attention's biases [heads, width], which are told by the last part of their name.
    """
    decayed: list[tf.Variable] = []
    spared: list[tf.Variable] = []
    for variable in model.trainable_variables:
        is_bias = variable.name.split("/")[-1].startswith("bias")
        (spared if is_bias or len(variable.shape) < 2 else decayed).append(variable)
    return decayed, spared


def _adamax(learning_rate: Any, model: tf.keras.Model) -> tf.keras.optimizers.Optimizer:
    return FusedAdamax(learning_rate)


def _adamw(learning_rate: Any, model: tf.keras.Model) -> tf.keras.optimizers.Optimizer:
    optimizer = FusedAdamW(learning_rate, weight_decay=WEIGHT_DECAY, epsilon=ADAMW_EPSILON)
    optimizer.exclude_from_weight_decay(var_list=decayed_variables(model)[1])
    return optimizer


def _addons_optimizer(name: str) -> Callable[[Any, tf.keras.Model], tf.keras.optimizers.Optimizer]:
    def build(learning_rate: Any, model: tf.keras.Model) -> tf.keras.optimizers.Optimizer:
        try:
            import tensorflow_addons
        except ImportError:
            raise UserError(
                f"--optimizer={name.lower()} needs tensorflow-addons, which is not installed: it exists for Python "
                "3.9 to 3.11 with TensorFlow 2.15 alone; accepted without it: adamax, adamw"
            ) from None
        return getattr(tensorflow_addons.optimizers, name)(learning_rate)

    return build


OPTIMIZERS: dict[str, Callable[[Any, tf.keras.Model], tf.keras.optimizers.Optimizer]] = {
    "adamax": _adamax,
    "adamw": _adamw,
    "lamb": _addons_optimizer("LAMB"),
    "lazyadam": _addons_optimizer("LazyAdam"),
    "radam": _addons_optimizer("RectifiedAdam"),
}


def build_optimizer(name: str, learning_rate: Any, model: tf.keras.Model) -> tf.keras.optimizers.Optimizer:
    """Builds an optimizer with its slot variables, ready to be restored into.

    Args:
        name: "adamax" (the paper's), "adamw" (weight decay 0.01 that spares LayerNorm and biases), or one of
            tensorflow-addons': "lamb", "lazyadam", "radam".
        learning_rate: A number or a schedule.
        model: The model it will train.

    Raises:
        UserError: The name is unknown, or tensorflow-addons is needed and absent.
    """
    if name not in OPTIMIZERS:
        raise unknown_name("--optimizer", name, OPTIMIZERS)
    optimizer = OPTIMIZERS[name](learning_rate, model)
    if hasattr(optimizer, "build"):
        optimizer.build(model.trainable_variables)
    else:  # tensorflow-addons builds on Keras's legacy optimizers, which create slots on their own.
        optimizer._create_all_weights(model.trainable_variables)
    return optimizer
