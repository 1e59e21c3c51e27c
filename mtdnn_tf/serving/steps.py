"""The steps from texts to logits, each a function of the graph that all signatures call."""

from __future__ import annotations

import functools
from collections.abc import Collection

import tensorflow as tf

from mtdnn_tf.data.packing import pack, to_model_inputs
from mtdnn_tf.modeling.checkpoints.model_folder import LoadedModel
from mtdnn_tf.modeling.encoder import WeightReader
from mtdnn_tf.modeling.multi_task_model import INPUTS

# No Python branches on a tensor here, and without AutoGraph tracing is faster.
graph_function = functools.partial(tf.function, autograph=False)

_TEXT = tf.TensorSpec([None], tf.string)
_MATRIX = tf.TensorSpec([None, None], tf.int32)


class Steps:
    """Tokenizes, packs, encodes and classifies, each traced once for all signatures.

    Args:
        loaded: The model; it is used without dropout.
        heads: Names of the heads that are used.
        weights: Where to read the encoder's weights from; its own variables by default.

    Attributes:
        tasks: The model's tasks.
        single_inputs: From first texts, string [batch], to what the encoder reads: int32 [batch, length of the longest
            row] by the names of the model's inputs.
        pair_inputs: The same from first and second texts, string [batch] each.
        any_inputs: The same, where a second text "" means a single sentence.
        encode: From the model's inputs to what heads read.
        heads: By name, from what `encode` returns to logits [batch, num_outputs].
    """

    def __init__(self, loaded: LoadedModel, heads: Collection[str], weights: WeightReader | None = None) -> None:
        self.tasks = loaded.tasks
        self._loaded = loaded
        self._weights = weights
        self._names = sorted(heads)
        self._tokenize = graph_function(loaded.tokenizer.tokenize, input_signature=[_TEXT])
        self.single_inputs = graph_function(self._single_inputs, input_signature=[_TEXT])
        self.pair_inputs = graph_function(self._pair_inputs, input_signature=[_TEXT, _TEXT])
        self.any_inputs = graph_function(self._any_inputs, input_signature=[_TEXT, _TEXT])
        self.encode = graph_function(self._encode, input_signature=[dict.fromkeys(INPUTS, _MATRIX)])
        self.heads = {
            name: graph_function(functools.partial(loaded.model.heads[name], training=False)) for name in self._names
        }

    def _single_inputs(self, text_a: tf.Tensor) -> dict[str, tf.Tensor]:
        return self._packed(self._tokenize(text_a), None)

    def _pair_inputs(self, text_a: tf.Tensor, text_b: tf.Tensor) -> dict[str, tf.Tensor]:
        return self._packed(self._tokenize(text_a), self._tokenize(text_b))

    def _any_inputs(self, text_a: tf.Tensor, text_b: tf.Tensor) -> dict[str, tf.Tensor]:
        return self._packed(self._tokenize(text_a), self._tokenize(text_b), has_second(text_b))

    def _packed(
        self, tokens_a: tf.RaggedTensor, tokens_b: tf.RaggedTensor | None, second: tf.Tensor | None = None
    ) -> dict[str, tf.Tensor]:
        packed = pack(tokens_a, tokens_b, self._loaded.tokenizer, self._loaded.max_sequence_length, second)
        return {name: tf.cast(values, tf.int32) for name, values in to_model_inputs(packed).items()}

    def _encode(self, inputs: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        return self._loaded.model.encode(inputs, training=False, tasks=self._names, weights=self._weights)


def has_second(text_b: tf.Tensor) -> tf.Tensor:
    """Returns which rows have a second text, bool [batch], from the second texts, string [batch]."""
    return tf.not_equal(text_b, "")
