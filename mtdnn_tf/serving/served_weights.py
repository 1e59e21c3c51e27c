"""An encoder's weights as a SavedModel has them: fewer and larger than in training, and optionally in fewer bits."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import tensorflow as tf

from mtdnn_tf.modeling.bert_weights import (
    POSITION_EMBEDDINGS,
    RELATIVE_EMBEDDINGS,
    SEGMENT_EMBEDDINGS,
    WORD_EMBEDDINGS,
)
from mtdnn_tf.modeling.encoder import Encoder
from mtdnn_tf.modeling.encoder_block import ATTENTION_PARTS, KEY_VALUE, QUERY_KEY_VALUE
from mtdnn_tf.serving.reduced_weights import FLOAT32, read_reduced, reduced

_TABLES = (WORD_EMBEDDINGS, POSITION_EMBEDDINGS, SEGMENT_EMBEDDINGS, RELATIVE_EMBEDDINGS)
_BLOCKS = "encoder.layer."
_ATTENTION_OUTPUT = "attention.output.dense.weight"


class ServedWeights(tf.Module):
    """The weights that an exported encoder reads, for `Encoder.call`.

    TensorFlow spends about two microseconds on each operation of a graph, and reading a variable takes three. Therefore
    vectors are constants, and attention's matrices are joined: query, key and value, in the last block only key and
    value, because its query may be of the first position only. Matrices are variables, because a server would convert
    constants of fewer bits to float32 when it loads the graph.
    """

    def __init__(self, encoder: Encoder, weights: str = FLOAT32) -> None:
        super().__init__()
        # Tables of embeddings are read by rows.
        arrays = {
            name: variable.numpy()
            for name, variable in encoder.named.items()
            if name not in _TABLES and not name.startswith(_BLOCKS)
        }
        read = {*arrays}
        for index in range(encoder.config.num_own_layers):
            variables, prefix = encoder.block_weights(index), _prefix(index)
            read |= {prefix + name for name in variables}
            joined = KEY_VALUE if index + 1 == encoder.config.num_own_layers else QUERY_KEY_VALUE
            # Disentangled attention reads the matrices of queries and keys on their own.
            joined = "" if encoder.config.position_buckets else joined
            join = _split if encoder.config.has_modern_blocks else _joined
            arrays.update((prefix + name, array) for name, array in join(variables, joined).items())
        self._matrices = {name: reduced(array, (0,), weights, name) for name, array in arrays.items() if array.ndim > 1}
        if weights != FLOAT32:
            table = encoder.named[WORD_EMBEDDINGS].numpy()
            self._matrices[WORD_EMBEDDINGS] = reduced(table, (1,), weights, WORD_EMBEDDINGS)
            read.add(WORD_EMBEDDINGS)
        self._names = [*arrays]
        # Functions, because TensorFlow would track the encoder, and an export would have its variables.
        self._vector = lambda name: arrays[name]
        self._variable = lambda name: encoder.named[name]
        self._own_layer = encoder.config.own_layer
        self._replaced = lambda: [encoder.named[name] for name in read]

    @property
    def replaced(self) -> list[tf.Variable]:
        """The variables of the encoder that are not read."""
        return self._replaced()

    def read(self, name: str) -> tf.Tensor | tf.Variable:
        """Returns a weight, in float32 if it is stored in fewer bits."""
        if name in self._matrices:
            return read_reduced(*self._matrices[name])
        return tf.constant(self._vector(name)) if name in self._names else self._variable(name)

    def block_weights(self, index: int) -> dict[str, tf.Tensor | tf.Variable]:
        """Returns a block's weights; all are vectors or matrices [inputs, outputs]."""
        prefix = _prefix(self._own_layer(index))
        return {name[len(prefix) :]: self.read(name) for name in self._names if name.startswith(prefix)}

    def rows(self, name: str, ids: tf.Tensor) -> tf.Tensor:
        """Returns some rows of a table of embeddings."""
        parts = self._matrices.get(name)
        if parts:
            return read_reduced(*(tf.gather(part, ids) for part in parts))
        return tf.gather(self._variable(name), ids)


def _prefix(index: int) -> str:
    return f"{_BLOCKS}{index}."


def _split(block: Mapping[str, tf.Variable], joined: str) -> dict[str, np.ndarray]:
    """Returns a block's weights, whose attention is one matrix, in those parts of which the last is `joined`."""
    arrays = {name: variable.numpy() for name, variable in block.items()}
    if joined == KEY_VALUE:
        whole = arrays.pop(f"{QUERY_KEY_VALUE}.weight")
        query, others = whole[:, : len(whole)], whole[:, len(whole) :]
        arrays.update({f"{ATTENTION_PARTS[0]}.weight": query, f"{KEY_VALUE}.weight": others})
    return arrays


def _joined(block: Mapping[str, tf.Variable], joined: str) -> dict[str, np.ndarray]:
    """Returns a block's weights, in two dimensions at most, those parts of attention in one that `joined` names."""
    arrays: dict[str, np.ndarray] = {}
    for name, variable in block.items():
        array = variable.numpy()
        if name.endswith(".bias"):
            array = array.reshape(-1)
        elif array.ndim == 3:
            # The axis of attention's heads is of the inputs in its output layer, otherwise of the outputs.
            shape = [-1, array.shape[2]] if name == _ATTENTION_OUTPUT else [array.shape[0], -1]
            array = array.reshape(shape)
        arrays[name] = array
    if not joined:
        return arrays
    parts = ATTENTION_PARTS[-2:] if joined == KEY_VALUE else ATTENTION_PARTS
    for kind in ("weight", "bias"):
        arrays[f"{joined}.{kind}"] = np.concatenate([arrays.pop(f"{part}.{kind}") for part in parts], axis=-1)
    return arrays
