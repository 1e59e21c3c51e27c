"""Adamax and AdamW whose update is one pass over each variable, with a learning rate of its own for each."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Any

import tensorflow as tf


class _RateOfVariable:
    """Gives each variable its own multiple of the learning rate, by which updates and weight decay are proportional.

    The gradient is left alone: Adam and Adamax are indifferent to its scale.
    """

    _multiplier: Callable[[int], float] | None = None

    def set_multipliers(self, multipliers: Sequence[float]) -> None:
        """Sets what the learning rate is multiplied by.

        Args:
            multipliers: One for each variable, in the order in which the optimizer was built on them.
        """
        # A function: Keras would put numbers into checkpoints.
        self._multiplier = lambda index: multipliers[index]

    def _rate(self, index: int, dtype: tf.DType) -> tf.Tensor:
        rate = self.learning_rate  # type: ignore[attr-defined]
        if self._multiplier is not None:
            rate = rate * self._multiplier(index)
        return tf.cast(rate, dtype)


class FusedAdamax(_RateOfVariable, tf.keras.optimizers.Adamax):
    """Makes the update of `tf.keras.optimizers.Adamax` by TensorFlow's own kernel, one pass per variable.

    Keras writes the update as a dozen operations, each of which reads and writes a whole table of embeddings. Slots,
    checkpoints and hyperparameters are those of Keras's class (1412.6980 sec. 7.1).
    """

    def update_step(self, gradient: tf.Tensor | tf.IndexedSlices, variable: tf.Variable) -> None:
        """Updates one variable.

        Args:
            gradient: Of the loss; slices of a table may name a row several times.
            variable: What is updated.
        """
        index = self._index_dict[self._var_key(variable)]
        dtype = variable.dtype
        beta_1 = tf.cast(self.beta_1, dtype)
        tf.raw_ops.ResourceApplyAdaMax(
            var=variable.handle,
            m=self._m[index].handle,
            v=self._u[index].handle,
            beta1_power=tf.pow(beta_1, tf.cast(self.iterations + 1, dtype)),
            lr=self._rate(index, dtype),
            beta1=beta_1,
            beta2=tf.cast(self.beta_2, dtype),
            epsilon=tf.cast(self.epsilon, dtype),
            grad=tf.convert_to_tensor(gradient),
            # Whoever reads a variable meanwhile sees it before or after the update.
            use_locking=True,
        )


class FusedAdamW(_RateOfVariable, tf.keras.optimizers.Adam):
    """Makes the update of `tf.keras.optimizers.AdamW` by TensorFlow's own kernel, in one pass per variable.

    Keras writes Adam's update as a dozen operations, each of which reads and writes a whole table of embeddings. Weight
    decay, slots and checkpoints are those of Keras's class (1711.05101 alg. 2).

    Args:
        learning_rate: A number or a schedule.
        weight_decay: What weights shrink by, times the learning rate.
        epsilon: Added to the root of the second moment.
        decayed: The variables that shrink.
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
        """Updates one variable.

        Args:
            gradient: Of the loss; slices of a table may name a row several times.
            variable: What is updated.
        """
        index = self._index_dict[self._var_key(variable)]
        dtype = variable.dtype
        rate = self._rate(index, dtype)
        if self._is_decayed(variable):
            variable.assign_sub(variable * tf.cast(self.decay_of_weights, dtype) * rate)
        step = tf.cast(self.iterations + 1, dtype)
        beta_1, beta_2 = tf.cast(self.beta_1, dtype), tf.cast(self.beta_2, dtype)
        tf.raw_ops.ResourceApplyAdam(
            var=variable.handle,
            m=self._momentums[index].handle,
            v=self._velocities[index].handle,
            beta1_power=tf.pow(beta_1, step),
            beta2_power=tf.pow(beta_2, step),
            lr=rate,
            beta1=beta_1,
            beta2=beta_2,
            epsilon=tf.cast(self.epsilon, dtype),
            grad=tf.convert_to_tensor(gradient),
            # Whoever reads a variable meanwhile sees it before or after the update.
            use_locking=True,
        )
