"""Adamax and AdamW whose update is one pass over each variable, with a learning rate of its own for each.

Keras writes an update as a dozen operations, each of which reads and writes a whole table of embeddings; these use
TensorFlow's own kernels. Slots, checkpoints and hyperparameters are those of Keras's classes.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Any

import tensorflow as tf


class _Fused:
    """Gives each variable its own multiple of the learning rate, by which updates and weight decay are proportional.

    The gradient is not scaled: Adam and Adamax are indifferent to its scale.
    """

    _multiplier: Callable[[int], float] | None = None

    def set_multipliers(self, multipliers: Sequence[float]) -> None:
        """Sets the factor of each variable's rate, in the order in which the optimizer was built on them."""
        # A function: Keras would put numbers into checkpoints.
        self._multiplier = lambda index: multipliers[index]

    def _arguments(
        self: Any, index: int, gradient: tf.Tensor | tf.IndexedSlices, variable: tf.Variable
    ) -> dict[str, Any]:
        """Returns the arguments that both kernels take."""
        dtype = variable.dtype
        beta_1 = tf.cast(self.beta_1, dtype)
        rate = self.learning_rate if self._multiplier is None else self.learning_rate * self._multiplier(index)
        return {
            "var": variable.handle,
            "beta1_power": tf.pow(beta_1, tf.cast(self.iterations + 1, dtype)),
            "lr": tf.cast(rate, dtype),
            "beta1": beta_1,
            "beta2": tf.cast(self.beta_2, dtype),
            "epsilon": tf.cast(self.epsilon, dtype),
            "grad": tf.convert_to_tensor(gradient),
            # Whoever reads a variable meanwhile sees it before or after the update.
            "use_locking": True,
        }


class FusedAdamax(_Fused, tf.keras.optimizers.Adamax):
    """Makes the update of `tf.keras.optimizers.Adamax` (1412.6980 sec. 7.1) by one kernel per variable."""

    def update_step(self, gradient: tf.Tensor | tf.IndexedSlices, variable: tf.Variable) -> None:
        """Updates one variable; slices of a table's gradient may name a row several times."""
        index = self._index_dict[self._var_key(variable)]
        arguments = self._arguments(index, gradient, variable)
        tf.raw_ops.ResourceApplyAdaMax(m=self._m[index].handle, v=self._u[index].handle, **arguments)


class FusedAdamW(_Fused, tf.keras.optimizers.Adam):
    """Makes the update of `tf.keras.optimizers.AdamW` (1711.05101 alg. 2) by one kernel per variable.

    The variables `decayed` shrink by `weight_decay` times the learning rate.
    """

    def __init__(
        self, learning_rate: Any, weight_decay: float, epsilon: float, decayed: Collection[tf.Variable]
    ) -> None:
        super().__init__(learning_rate, epsilon=epsilon)
        self.decay_of_weights = weight_decay
        # A function: Keras would track the variables once more.
        keys = {self._var_key(variable) for variable in decayed}
        self._is_decayed = lambda variable: self._var_key(variable) in keys

    def update_step(self, gradient: tf.Tensor | tf.IndexedSlices, variable: tf.Variable) -> None:
        """Updates one variable; slices of a table's gradient may name a row several times."""
        index = self._index_dict[self._var_key(variable)]
        dtype = variable.dtype
        arguments = self._arguments(index, gradient, variable)
        if self._is_decayed(variable):
            variable.assign_sub(variable * tf.cast(self.decay_of_weights, dtype) * arguments["lr"])
        tf.raw_ops.ResourceApplyAdam(
            m=self._momentums[index].handle,
            v=self._velocities[index].handle,
            beta2_power=tf.pow(tf.cast(self.beta_2, dtype), tf.cast(self.iterations + 1, dtype)),
            **arguments,
        )
