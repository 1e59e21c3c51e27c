"""Adamax whose update is one pass over each variable."""

from __future__ import annotations

import tensorflow as tf


class FusedAdamax(tf.keras.optimizers.Adamax):
    """Makes the update of `tf.keras.optimizers.Adamax` by TensorFlow's own kernel, one pass a variable.

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
            lr=tf.cast(self.learning_rate, dtype),
            beta1=beta_1,
            beta2=tf.cast(self.beta_2, dtype),
            epsilon=tf.cast(self.epsilon, dtype),
            grad=tf.convert_to_tensor(gradient),
            # Whoever reads a variable meanwhile sees it before or after the update.
            use_locking=True,
        )
