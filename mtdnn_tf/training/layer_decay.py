"""Layer-wise learning rates: the nearer a variable is to the input, the less it learns."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import tensorflow as tf

from mtdnn_tf.errors import UserError
from mtdnn_tf.modeling.multi_task_model import MultiTaskModel


def layer_rates(model: MultiTaskModel, decay: float) -> list[float]:
    """Returns what multiplies the learning rate of each trainable variable, in their order.

    1 for heads, decay for the pooler, decay^2 for the last Transformer layer and so on down to the embeddings, with
    decay^(layers + 2): ELECTRA's rule (Clark et al. 2020, arXiv 2003.10555), with the pooler between heads and layers.

    Args:
        model: The network.
        decay: Above 0, up to 1.
    """
    backbone = model.backbone
    # From the top down, as variables are told apart by identity: their names are not unique.
    depths = [[backbone.pooled_dense], *([layer] for layer in reversed(backbone.transformer_layers))]
    rates = {id(v): decay ** (depth + 1) for depth, layers in enumerate(depths) for v in layers[0].variables}
    lowest = decay ** (len(depths) + 1)
    rates.update({id(v): lowest for v in backbone.trainable_variables if id(v) not in rates})
    return [rates.get(id(variable), 1.0) for variable in model.trainable_variables]


class _LayerRates:
    """Multiplies the learning rate, by which updates and weight decay of Keras's optimizers are proportional.

    The gradient is left alone: Adam and Adamax are indifferent to its scale.
    """

    _rates: tuple[float, ...]
    _rate = 1.0

    @property
    def learning_rate(self) -> Any:
        """The schedule's rate, times that of the variable that is being updated."""
        return super().learning_rate * self._rate  # type: ignore[misc]

    def update_step(self, gradient: Any, variable: tf.Variable) -> None:
        """Updates a variable at its own rate."""
        with self._at_rate_of(variable):
            super().update_step(gradient, variable)  # type: ignore[misc]

    def _apply_weight_decay(self, variables: Any) -> None:
        for variable in variables:
            with self._at_rate_of(variable):
                super()._apply_weight_decay([variable])  # type: ignore[misc]

    @contextlib.contextmanager
    def _at_rate_of(self, variable: tf.Variable) -> Iterator[None]:
        index = self._index_dict[self._var_key(variable)]  # type: ignore[attr-defined]
        object.__setattr__(self, "_rate", self._rates[index])
        try:
            yield
        finally:
            object.__setattr__(self, "_rate", 1.0)


def decay_rates(optimizer: tf.keras.optimizers.Optimizer, model: MultiTaskModel, decay: float) -> None:
    """Gives each layer of the model its own learning rate.

    Args:
        optimizer: Built on the model's trainable variables; changed in place.
        model: The network.
        decay: `layer_rates` says of what; 1 changes nothing.

    Raises:
        UserError: The optimizer is one of tensorflow-addons', whose updates have no rate of their own.
    """
    if decay == 1.0:
        return
    if isinstance(optimizer, tf.keras.optimizers.legacy.Optimizer):
        raise UserError(
            f"--layer_decay goes with --optimizer=adamax or adamw, --layer_decay={decay} with "
            f"--optimizer={type(optimizer).__name__.lower()} given"
        )
    # Past Keras's tracking, which would put the numbers into checkpoints.
    object.__setattr__(optimizer, "_rates", tuple(layer_rates(model, decay)))
    base = type(optimizer)
    optimizer.__class__ = type(f"LayerRates{base.__name__}", (_LayerRates, base), {})
