"""Optimizers by name, their learning rates, and their loss scale."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import tensorflow as tf

from mtdnn_tf.errors import UserError, unknown_name
from mtdnn_tf.modeling.backbone import MIXED_FLOAT16
from mtdnn_tf.modeling.bert_weights import FINAL_NORM
from mtdnn_tf.modeling.multi_task_model import MultiTaskModel
from mtdnn_tf.private_names import create_slots
from mtdnn_tf.training.optimization.fused_optimizers import FusedAdamax, FusedAdamW

WEIGHT_DECAY = 0.01
ADAMW_EPSILON = 1e-6


class LinearWarmupDecay(tf.keras.optimizers.schedules.LearningRateSchedule):
    """Rises linearly to the peak, then falls linearly to 0 at the last step (1901.11504 sec. 4.2).

    At step n of N with w warm-up steps: peak * min((n + 1) / w, (N - n) / (N - w)); w = 0 for no warm-up.
    """

    def __init__(self, peak: float, total_steps: int, warmup_steps: int) -> None:
        self.peak = peak
        self.total_steps = total_steps
        self.warmup_steps = warmup_steps

    def __call__(self, step: tf.Tensor) -> tf.Tensor:
        """Returns the learning rate of a step that counts from 0."""
        step = tf.cast(step, tf.float32)
        rise = (step + 1.0) / max(self.warmup_steps, 1)
        fall = (self.total_steps - step) / max(self.total_steps - self.warmup_steps, 1)
        return self.peak * tf.clip_by_value(tf.minimum(rise, fall) if self.warmup_steps else fall, 0.0, 1.0)

    def get_config(self) -> dict[str, Any]:
        """Returns what rebuilds the schedule."""
        return {"peak": self.peak, "total_steps": self.total_steps, "warmup_steps": self.warmup_steps}


def decayed_variables(model: tf.keras.Model) -> tuple[list[tf.Variable], list[tf.Variable]]:
    """Splits a model's trainable variables into those that weight decay shrinks and those it spares.

    BERT spares LayerNorm's gamma and beta and every bias. These are the variables of fewer than two axes, and
    attention's biases [heads, depth], recognised by the last part of their names.
    """
    decayed: list[tf.Variable] = []
    spared: list[tf.Variable] = []
    for variable in model.trainable_variables:
        is_bias = re.split(r"[/.]", variable.name)[-1].startswith("bias")
        (spared if is_bias or len(variable.shape) < 2 else decayed).append(variable)
    return decayed, spared


def _addons_optimizer(name: str) -> Callable[[Any, tf.keras.Model], tf.keras.optimizers.Optimizer]:
    def build(learning_rate: Any, model: tf.keras.Model) -> tf.keras.optimizers.Optimizer:
        try:
            import tensorflow_addons
        except ImportError:
            lacks = "which is not installed and exists only for Python 3.9 to 3.11 with TensorFlow 2.15"
            accepted = "accepted without it: adamax, adamw"
            raise UserError(f"`optimizer={name.lower()}` needs tensorflow-addons, {lacks}; {accepted}") from None
        return getattr(tensorflow_addons.optimizers, name)(learning_rate)

    return build


OPTIMIZERS: dict[str, Callable[[Any, tf.keras.Model], tf.keras.optimizers.Optimizer]] = {
    "adamax": lambda learning_rate, model: FusedAdamax(learning_rate),
    "adamw": lambda learning_rate, model: FusedAdamW(
        learning_rate, WEIGHT_DECAY, ADAMW_EPSILON, decayed_variables(model)[0]
    ),
    "lamb": _addons_optimizer("LAMB"),
    "lazyadam": _addons_optimizer("LazyAdam"),
    "radam": _addons_optimizer("RectifiedAdam"),
}


def build_optimizer(name: str, learning_rate: Any, model: tf.keras.Model) -> tf.keras.optimizers.Optimizer:
    """Builds an optimizer for a model, with its slot variables, ready to be restored into.

    Args:
        name: "adamax" (the paper's), "adamw" (weight decay 0.01 that spares LayerNorm and biases), or one of
            tensorflow-addons', refused where that is absent: "lamb", "lazyadam", "radam".
        learning_rate: A number or a schedule.
        model: The model it will train.
    """
    if name not in OPTIMIZERS:
        raise unknown_name("`optimizer`", name, OPTIMIZERS)
    optimizer = OPTIMIZERS[name](learning_rate, model)
    if hasattr(optimizer, "build"):
        optimizer.build(model.trainable_variables)
    else:  # tensorflow-addons builds on Keras's legacy optimizers, which create slots on their own.
        create_slots(optimizer, model.trainable_variables)
    return optimizer


def decay_rates(optimizer: tf.keras.optimizers.Optimizer, model: MultiTaskModel, decay: float) -> None:
    """Gives each layer of a model its own learning rate in an optimizer built on the model's trainable variables.

    1 for heads, decay for the pooler and a norm after the layers, decay^2 for the last Transformer layer and so on down
    to the embeddings, with decay^(layers + 2): ELECTRA's rule (Clark et al. 2020, arXiv 2003.10555), with the pooler
    between heads and layers.
    Layers that share their weights are one.
    """
    if decay == 1.0:
        return
    if not isinstance(optimizer, (FusedAdamax, FusedAdamW)):
        name = type(optimizer).__name__.lower()
        raise UserError(f"`layer_decay={decay}` needs `optimizer=adamax` or adamw, got `optimizer={name}`")
    layers = model.backbone.config.num_own_layers

    def depth(name: str) -> int:
        if block := re.match(r"encoder\.layer\.(\d+)\.", name):
            return layers + 1 - int(block[1])
        return 1 if name.startswith(("pooler", FINAL_NORM)) else layers + 2

    # By identity: variables cannot be compared.
    depths = {id(variable): depth(name) for name, variable in model.backbone.named.items()}
    optimizer.set_multipliers([decay ** depths.get(id(variable), 0) for variable in model.trainable_variables])


def with_loss_scale(optimizer: tf.keras.optimizers.Optimizer, precision: str) -> tf.keras.optimizers.Optimizer:
    """Returns the optimizer, under float16 with a dynamic loss scale, whose state is in its checkpoints.

    Small gradients are 0 in float16 (Micikevicius et al. 2018, arXiv 1710.03740): the loss is multiplied by a number
    that grows until a gradient overflows. That step changes no weights, and counts as a step all the same.
    """
    return tf.keras.mixed_precision.LossScaleOptimizer(optimizer) if precision == MIXED_FLOAT16 else optimizer
