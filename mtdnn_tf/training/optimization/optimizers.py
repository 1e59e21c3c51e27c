"""Optimizers by name."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import tensorflow as tf

from mtdnn_tf.errors import UserError, unknown_name
from mtdnn_tf.private_names import create_slots
from mtdnn_tf.training.optimization.fused_optimizers import FusedAdamax, FusedAdamW

WEIGHT_DECAY = 0.01
ADAMW_EPSILON = 1e-6


def decayed_variables(model: tf.keras.Model) -> tuple[list[tf.Variable], list[tf.Variable]]:
    """Splits a model's trainable variables into those that weight decay shrinks and those it spares.

    BERT spares LayerNorm's gamma and beta and every bias. These are the variables of fewer than two axes, and
    attention's biases [heads, depth], told by the last part of their names.
    """
    decayed: list[tf.Variable] = []
    spared: list[tf.Variable] = []
    for variable in model.trainable_variables:
        is_bias = re.split(r"[/.]", variable.name)[-1].startswith("bias")
        (spared if is_bias or len(variable.shape) < 2 else decayed).append(variable)
    return decayed, spared


def _adamax(learning_rate: Any, model: tf.keras.Model) -> tf.keras.optimizers.Optimizer:
    return FusedAdamax(learning_rate)


def _adamw(learning_rate: Any, model: tf.keras.Model) -> tf.keras.optimizers.Optimizer:
    return FusedAdamW(learning_rate, WEIGHT_DECAY, ADAMW_EPSILON, decayed_variables(model)[0])


def _addons_optimizer(name: str) -> Callable[[Any, tf.keras.Model], tf.keras.optimizers.Optimizer]:
    def build(learning_rate: Any, model: tf.keras.Model) -> tf.keras.optimizers.Optimizer:
        try:
            import tensorflow_addons
        except ImportError:
            raise UserError(
                f"`optimizer={name.lower()}` needs tensorflow-addons, which is not installed: it exists for Python "
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
        raise unknown_name("`optimizer`", name, OPTIMIZERS)
    optimizer = OPTIMIZERS[name](learning_rate, model)
    if hasattr(optimizer, "build"):
        optimizer.build(model.trainable_variables)
    else:  # tensorflow-addons builds on Keras's legacy optimizers, which create slots on their own.
        create_slots(optimizer, model.trainable_variables)
    return optimizer
