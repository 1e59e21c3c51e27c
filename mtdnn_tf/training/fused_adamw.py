"""AdamW whose update is one pass over each variable."""

from __future__ import annotations

import tensorflow as tf


class FusedAdamW(tf.keras.optimizers.AdamW):
    """Makes the update of `tf.keras.optimizers.AdamW` by TensorFlow's own kernel, in one pass per variable.

    Keras writes Adam's update as a dozen operations, each of which reads and writes a whole table of embeddings. Weight
    decay, slots, checkpoints and hyperparameters are those of Keras's class (1711.05101 alg. 2).
    """

    def update_step(self, gradient: tf.Tensor | tf.IndexedSlices, variable: tf.Variable) -> None:
        """Updates one variable.

        Args:
            gradient: Of the loss; slices of a table may name a row several times.
            variable: What is updated.
        """
        index = self._index_dict[self._var_key(variable)]
        dtype = variable.dtype
        step = tf.cast(self.iterations + 1, dtype)
        beta_1, beta_2 = tf.cast(self.beta_1, dtype), tf.cast(self.beta_2, dtype)
        tf.raw_ops.ResourceApplyAdam(
            var=variable.handle,
            m=self._momentums[index].handle,
            v=self._velocities[index].handle,
            beta1_power=tf.pow(beta_1, step),
            beta2_power=tf.pow(beta_2, step),
            lr=tf.cast(self.learning_rate, dtype),
            beta1=beta_1,
            beta2=beta_2,
            epsilon=tf.cast(self.epsilon, dtype),
            grad=tf.convert_to_tensor(gradient),
            # Whoever reads a variable meanwhile sees it before or after the update.
            use_locking=True,
        )
