"""From texts to what an encoder reads, in TensorFlow's operations."""

from __future__ import annotations

import functools

import tensorflow as tf

from mtdnn_tf.data.packing import pack, to_model_inputs
from mtdnn_tf.data.tokenizer import Tokenizer

# No Python branches on a tensor here, and without AutoGraph tracing is faster.
graph_function = functools.partial(tf.function, autograph=False)


class TextInputs:
    """Cuts and packs texts; each attribute is a function of the graph that is traced once.

    Attributes:
        single_inputs: From first texts, string [batch], to what the encoder reads: int32 [batch, length of the longest
            row] by the names of the model's inputs.
        pair_inputs: The same from first and second texts, string [batch] each.
        any_inputs: The same, where a second text "" means a single sentence.
    """

    def __init__(self, tokenizer: Tokenizer, max_sequence_length: int) -> None:
        text = tf.TensorSpec([None], tf.string)
        tokenize = graph_function(tokenizer.tokenize, input_signature=[text])

        def packed(a: tf.Tensor, b: tf.Tensor | None = None, second: tf.Tensor | None = None) -> dict[str, tf.Tensor]:
            tokens_b = None if b is None else tokenize(b)
            rows = pack(tokenize(a), tokens_b, tokenizer, max_sequence_length, second)
            return {name: tf.cast(values, tf.int32) for name, values in to_model_inputs(rows).items()}

        self.single_inputs = graph_function(lambda a: packed(a), input_signature=[text])
        self.pair_inputs = graph_function(lambda a, b: packed(a, b), input_signature=[text, text])
        self.any_inputs = graph_function(lambda a, b: packed(a, b, tf.not_equal(b, "")), input_signature=[text, text])
