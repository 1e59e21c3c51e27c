"""The stochastic answer network: a head that reads a pair in several steps (1901.11504 eq. 3 and 4)."""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator
from typing import Any

import tensorflow as tf

from mtdnn_tf.modeling.backbone import MASKED
from mtdnn_tf.modeling.dropout import Dropout, generator_seeds


class KeptSteps(tf.keras.layers.Layer):
    """Draws which steps' predictions an example keeps: each with 1 - rate, and one, chosen evenly, in any case."""

    def __init__(self, rate: float, seed: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.rate = rate
        self.generator = tf.random.Generator.from_seed(seed, alg="auto_select")

    def call(self, steps: tf.Tensor) -> tf.Tensor:
        """Returns bool [batch, steps] for a tensor of that shape."""
        shape = tf.shape(steps)
        # The first column chooses the step that is kept in any case, the others are the steps' own draws.
        draws = self.generator.uniform([shape[0], shape[1] + 1])
        chosen = tf.cast(draws[:, :1] * tf.cast(shape[1], tf.float32), tf.int32)
        return (draws[:, 1:] >= self.rate) | (tf.range(shape[1])[None, :] == chosen)


class SanHead(tf.keras.layers.Layer):
    """Classifies a pair by reading the premise again and again, from the hypothesis on.

    The memories of premise and hypothesis are the encoder's outputs at their word pieces: segment 0 with [CLS] and its
    [SEP], segment 1 with its [SEP]. The state s starts as a weighted sum of the hypothesis; in each step an attention
    from the state to the premise gives x, [s; x; |s - x|; s * x] gives the step's prediction, and a GRU the next state.
    The answer is the mean of the steps' probabilities. In training, steps are dropped from the mean at random, and what
    is left is divided by the rate of keeping. `steps` is the paper's K.
    """

    def __init__(
        self,
        num_outputs: int,
        dropout: float = 0.1,
        seed: int = 0,
        steps: int = 5,
        prediction_dropout: float = 0.1,
        seeds: Iterator[int] | None = None,
        **kwargs: Any,
    ) -> None:
        # All of the head stays in float32 under mixed precision: it averages probabilities.
        super().__init__(**{**kwargs, "dtype": "float32"})
        self.num_outputs = num_outputs
        self.seed = seed
        self.steps = steps
        seeds = seeds or generator_seeds(seed)
        self.kept_steps = KeptSteps(prediction_dropout, next(seeds), dtype="float32")
        self.dropout = Dropout(dropout, next(seeds), dtype="float32")
        # Checkpoints and seeds of earlier versions have a place for one that Keras's GRU cell had and did not use.
        self._unused_generator = tf.random.Generator.from_seed(next(seeds))

    @property
    def generators(self) -> list[tf.random.Generator]:
        """The generators of its dropout."""
        return [self.dropout.generator, self.kept_steps.generator, self._unused_generator]

    def build(self, input_shape: Any) -> None:
        """Makes the layers, as wide as the encoder's outputs."""
        width = input_shape["sequence_output"][-1]

        def small_normal(offset: int) -> tf.keras.initializers.Initializer:
            # Keras initializers of one seed repeat each other's numbers.
            return tf.keras.initializers.TruncatedNormal(stddev=0.02, seed=self.seed + offset)

        dense = functools.partial(tf.keras.layers.Dense, dtype="float32")
        self.hypothesis_attention = dense(1, use_bias=False, kernel_initializer=small_normal(0))
        self.premise_attention = dense(width, use_bias=False, kernel_initializer=small_normal(1))
        self.gru = tf.keras.layers.GRUCell(
            width,
            kernel_initializer=tf.keras.initializers.GlorotUniform(self.seed + 2),
            recurrent_initializer=tf.keras.initializers.Orthogonal(seed=self.seed + 3),
            dtype="float32",
        )
        self.logits = dense(self.num_outputs, kernel_initializer=small_normal(4))
        super().build(input_shape)

    def call(self, encoded: dict[str, tf.Tensor], training: bool | None = None) -> tf.Tensor:
        """Returns the log of the averaged probabilities, [batch, num_outputs], from `MultiTaskModel.encode`."""
        log_probabilities = tf.stack(self.step_log_probabilities(encoded, training), axis=1)
        if training:
            kept = self.kept_steps(log_probabilities[:, :, 0])
            log_probabilities = tf.where(kept[:, :, None], log_probabilities, MASKED)
            divisor = self.steps * (1.0 - self.kept_steps.rate)
        else:
            divisor = float(self.steps)
        return tf.reduce_logsumexp(log_probabilities, axis=1) - math.log(divisor)

    def step_log_probabilities(self, encoded: dict[str, tf.Tensor], training: bool | None = None) -> list[tf.Tensor]:
        """Returns each step's log-probabilities [batch, num_outputs], for the arguments of `call`."""
        memory = self.dropout(encoded["sequence_output"], training=training)
        real, second = (tf.cast(encoded[name], tf.bool) for name in ("padding_mask", "segment_ids"))
        premise, hypothesis = real & ~second, real & second
        state = _weighted_sum(self.hypothesis_attention(memory)[:, :, 0], hypothesis, memory)
        predictions = []
        for step in range(self.steps):
            scores = tf.einsum("bd,bld->bl", self.premise_attention(state), memory)
            read = _weighted_sum(scores, premise, memory)
            joint = tf.concat([state, read, tf.abs(state - read), state * read], axis=-1)
            predictions.append(tf.nn.log_softmax(self.logits(self.dropout(joint, training=training))))
            if step + 1 < self.steps:
                state, _ = self.gru(read, [self.dropout(state, training=training)])
        return predictions


def _weighted_sum(scores: tf.Tensor, mask: tf.Tensor, memory: tf.Tensor) -> tf.Tensor:
    """Returns the sum of the memory's places in the mask, weighted by the softmax of their scores: [batch, width].

    Without such a place it is 0, and not the mean of all places, which would depend on the padding.
    """
    weights = tf.nn.softmax(tf.where(mask, scores, MASKED))
    return tf.einsum("bl,bld->bd", tf.where(mask, weights, 0.0), memory)
