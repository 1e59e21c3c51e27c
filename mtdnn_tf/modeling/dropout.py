"""Dropout whose random generators are public: a checkpoint holds their states."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

import tensorflow as tf

_VALUES = 2**16
_ALGORITHM = "auto_select"


def generator_seeds(seed: int) -> Iterator[int]:
    """Yields the seeds of a model's generators and initial weights: those that Keras draws after `set_random_seed`."""
    source = random.Random(seed)
    while True:
        yield source.randint(1, 10**9)


class SixteenBitDropout:
    """Dropout by 16 random bits per number, half as many as Keras draws, which can be applied twice alike.

    The rate is rounded to a multiple of 1 / 65536, and kept numbers are scaled by what that rate keeps, so that the
    mean is exactly the input's.

    The state of its generator decides all later draws. In a distribution strategy's scope each replica draws its own.
    """

    def __init__(self, rate: float, seed: int) -> None:
        self.generator = tf.random.Generator.from_seed(seed, alg=_ALGORITHM)
        self.dropped = min(round(rate * _VALUES), _VALUES - 1)
        self._is_distributed = tf.distribute.has_strategy()

    def reserve(self, size: tf.Tensor) -> tf.Tensor:
        """Moves the generator past the draws for `size` numbers and returns their start, a uint64 [3], for `drop`."""
        state = tf.bitcast(self.generator.skip(_draws(size)), tf.uint64)
        context = tf.distribute.get_replica_context() if self._is_distributed else None
        if context is None:
            return state
        # As tf.random.Generator does: replicas share a state and hash their number into its key.
        replica = tf.cast(tf.stack([context.replica_id_in_sync_group, 0]), tf.uint64)
        return tf.concat([state[:2], _full_int([1], state[2:], replica)], axis=0)


def drop(inputs: tf.Tensor, dropped: int, start: tf.Tensor) -> tf.Tensor:
    """Returns the inputs, some of them 0 and the others scaled up.

    `dropped` is the rate times 65536; `start`, which `SixteenBitDropout.reserve` returns for their size, says which.
    """
    count = tf.size(inputs)
    drawn = _full_int([_draws(count)], start[2:], start[:2])
    values = tf.reshape(tf.reshape(tf.bitcast(drawn, tf.uint16), [-1])[:count], tf.shape(inputs))
    kept = tf.cast(values >= tf.constant(dropped, tf.uint16), inputs.dtype)
    return inputs * (kept * (_VALUES / (_VALUES - dropped)))


def _draws(size: tf.Tensor) -> tf.Tensor:
    """Returns how many numbers of 64 bits hold `size` of 16 bits."""
    return (size + 3) // 4


def _full_int(shape: Any, key: tf.Tensor, counter: tf.Tensor) -> tf.Tensor:
    algorithm = tf.random.Algorithm.AUTO_SELECT.value
    return tf.raw_ops.StatelessRandomUniformFullIntV2(
        shape=shape, key=key, counter=counter, alg=algorithm, dtype=tf.uint64
    )


class Dropout(tf.keras.layers.Layer):
    """Keras's dropout, with the same draws from a generator that is its attribute."""

    def __init__(self, rate: float, seed: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.rate = rate
        self.generator = tf.random.Generator.from_seed(seed, alg=_ALGORITHM)

    def call(self, inputs: tf.Tensor, training: bool | None = None) -> tf.Tensor:
        """Returns the inputs, in training with some of them 0 and the others scaled up."""
        if not training or not self.rate:
            return tf.identity(inputs)
        return tf.nn.experimental.general_dropout(inputs, rate=self.rate, uniform_sampler=self.generator.uniform)
