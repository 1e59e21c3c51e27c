"""Dropout that draws half as many random bits as Keras's."""

from __future__ import annotations

import tensorflow as tf

_VALUES = 2**16


class SixteenBitDropout(tf.keras.layers.Dropout):
    """Keras's dropout by random numbers of 16 bits in place of 32, from the same generator.

    A layer of Keras's that has its generator becomes one by its `__class__`. The rate is rounded to the next 1 / 65536,
    and what is kept is scaled by what that rate keeps, so that the mean is exactly the input's.
    """

    def call(self, inputs: tf.Tensor, training: bool | None = None) -> tf.Tensor:
        """Returns the inputs, some of them 0 in training and the others scaled up.

        Args:
            inputs: Of any shape.
            training: Whether dropout is on.
        """
        dropped = min(round(self.rate * _VALUES), _VALUES - 1)
        if not training or not dropped:
            return tf.identity(inputs)
        count = tf.size(inputs)
        drawn = self._random_generator._generator.uniform_full_int([(count + 3) // 4], tf.uint64)
        values = tf.reshape(tf.reshape(tf.bitcast(drawn, tf.uint16), [-1])[:count], tf.shape(inputs))
        kept = tf.cast(values >= tf.constant(dropped, tf.uint16), inputs.dtype)
        return inputs * (kept * (_VALUES / (_VALUES - dropped)))
