"""Layer-wise learning rates: the nearer a variable is to the input, the less it learns."""

from __future__ import annotations

import re

import tensorflow as tf

from mtdnn_tf.errors import UserError
from mtdnn_tf.modeling.multi_task_model import MultiTaskModel
from mtdnn_tf.training.optimization.fused_optimizers import FusedAdamax, FusedAdamW


def layer_rates(model: MultiTaskModel, decay: float) -> list[float]:
    """Returns what multiplies the learning rate of each trainable variable, in their order.

    1 for heads, decay for the pooler, decay^2 for the last Transformer layer and so on down to the embeddings, with
    decay^(layers + 2): ELECTRA's rule (Clark et al. 2020, arXiv 2003.10555), with the pooler between heads and layers.

    Args:
        model: The network.
        decay: Above 0, up to 1.
    """
    layers = model.backbone.config.num_layers

    def depth(name: str) -> int:
        if block := re.match(r"encoder\.layer\.(\d+)\.", name):
            return layers + 1 - int(block[1])
        return 1 if name.startswith("pooler") else layers + 2

    # By identity: variables cannot be compared.
    depths = {id(variable): depth(name) for name, variable in model.backbone.named.items()}
    return [decay ** depths.get(id(variable), 0) for variable in model.trainable_variables]


def decay_rates(optimizer: tf.keras.optimizers.Optimizer, model: MultiTaskModel, decay: float) -> None:
    """Gives each layer of the model its own learning rate.

    Args:
        optimizer: Built on the model's trainable variables; changed in place.
        model: The network.
        decay: `layer_rates` says of what; 1 changes nothing.

    Raises:
        UserError: The optimizer is none of this project's, and has no rates of variables.
    """
    if decay == 1.0:
        return
    if not isinstance(optimizer, (FusedAdamax, FusedAdamW)):
        raise UserError(
            f"`layer_decay` goes with `optimizer=adamax` or adamw, `layer_decay={decay}` with "
            f"`optimizer={type(optimizer).__name__.lower()}` given"
        )
    optimizer.set_multipliers(layer_rates(model, decay))
