"""ModernBERT's blocks as ONNX nodes; `modeling/modern_block.py` has their meaning."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from mtdnn_tf.modeling.backbone import BackboneConfig
from mtdnn_tf.modeling.bert_weights import FINAL_NORM
from mtdnn_tf.modeling.modern_block import ATTENTION_NORM, FEED_FORWARD_NORM, inverse_wavelengths
from mtdnn_tf.serving.client_files import TOKEN_IDS
from mtdnn_tf.serving.onnx_format.graph import Graph

_FAR = -1e9


class ModernGraph:
    """Adds, to a graph with the input of token ids, blocks and what they share.

    Args:
        graph: With the embeddings already.
        config: Of the encoder.
        weights: Of the encoder by name, laid out as in a file; they become constants.
    """

    def __init__(self, graph: Graph, config: BackboneConfig, weights: Mapping[str, np.ndarray]) -> None:
        self._graph = graph
        self._config = config
        self._weights = weights
        self._depth = config.hidden_dim // config.num_heads
        length = graph.node("Squeeze", graph.node("Shape", TOKEN_IDS, start=1, end=2))
        zero, one = (graph.constant(f"integer_{number}", number, np.int64) for number in (0, 1))
        places = graph.node("Range", zero, length, one)
        self._down = graph.node("Unsqueeze", graph.node("Cast", places, to=1), graph.shape(1))
        across = graph.node("Unsqueeze", graph.node("Cast", places, to=1), graph.shape(0))
        self._distances = graph.node("Abs", graph.node("Sub", self._down, across))
        self._waves: dict[float, tuple[str, str]] = {}
        self._masks: dict[int, str] = {}

    def add(self, states: str, mask: str, first_position: bool) -> str:
        """Adds the blocks and the norm after them; returns its output, [batch, length or 1, width].

        Args:
            states: [batch, length, width].
            mask: What is added to the scores of global attention, [batch, 1, 1, length].
            first_position: Whether the last block is computed for the first position only.
        """
        for layer, window in enumerate(self._config.windows):
            is_last = layer + 1 == self._config.num_layers
            local = self._local_mask(mask, window) if window else mask
            states = self._block(states, local, layer, first_position and is_last)
        return self._norm(states, FINAL_NORM)

    def _local_mask(self, mask: str, window: int) -> str:
        """Returns a mask with what is added to scores of far positions, [batch, 1, length, length]."""
        if window not in self._masks:
            graph = self._graph
            is_far = graph.node("Cast", graph.node("Greater", self._distances, graph.number(float(window))), to=1)
            self._masks[window] = graph.node("Add", mask, graph.node("Mul", is_far, graph.number(_FAR)))
        return self._masks[window]

    def _block(self, states: str, mask: str, layer: int, first_position: bool) -> str:
        graph, prefix = self._graph, f"encoder.layer.{layer}."
        asked = self._first(states, 1) if first_position else states
        mask = self._first(mask, 2) if first_position and self._config.windows[layer] else mask
        read = self._norm(states, prefix + ATTENTION_NORM) if layer else states
        query, key, value = self._query_key_value(read, prefix, self._config.rotary_base(layer), first_position)
        products = graph.node("MatMul", query, graph.node("Transpose", key, perm=(0, 1, 3, 2)))
        scores = graph.node("Div", products, graph.number(float(np.sqrt(self._depth))))
        attention = graph.node("Softmax", graph.node("Add", scores, mask), axis=-1)
        mixed = graph.node("Transpose", graph.node("MatMul", attention, value), perm=(0, 2, 1, 3))
        mixed = graph.node("Reshape", mixed, graph.shape(0, 0, self._config.hidden_dim))
        rows = graph.node("Add", asked, self._dense(mixed, f"{prefix}attention.output.dense"))
        wide = self._dense(self._norm(rows, prefix + FEED_FORWARD_NORM), f"{prefix}intermediate.dense")
        inner = self._config.intermediate_dim
        inputs, gate = (self._cut(wide, first, first + inner) for first in (0, inner))
        gated = graph.node("Mul", graph.activation(inputs, self._config.activation), gate)
        return graph.node("Add", rows, self._dense(gated, f"{prefix}output.dense"))

    def _query_key_value(self, rows: str, prefix: str, base: float, first_position: bool) -> list[str]:
        """Returns queries and keys, rotated, and values, each [batch, heads, length or 1, depth]."""
        width, name = self._config.hidden_dim, f"{prefix}attention.self"
        kernel = self._weights[f"{name}.query_key_value.weight"].T
        if not first_position:
            query, key, value = self._heads(self._graph.dense(rows, f"{name}.query_key_value", kernel), 3)
            return [self._rotated(query, base), self._rotated(key, base), value]
        # The first position is not rotated.
        (query,) = self._heads(self._graph.dense(self._first(rows, 1), f"{name}.query", kernel[:, :width]), 1)
        key, value = self._heads(self._graph.dense(rows, f"{name}.key_value", kernel[:, width:]), 2)
        return [query, self._rotated(key, base), value]

    def _heads(self, rows: str, number: int) -> list[str]:
        """Returns the parts of [batch, length, number * width], each [batch, heads, length, depth]."""
        graph, width = self._graph, self._config.hidden_dim
        shape = graph.shape(0, 0, self._config.num_heads, self._depth)
        parts = [self._cut(rows, part * width, (part + 1) * width) for part in range(number)] if number > 1 else [rows]
        return [graph.node("Transpose", graph.node("Reshape", part, shape), perm=(0, 2, 1, 3)) for part in parts]

    def _rotated(self, heads: str, base: float) -> str:
        graph, half = self._graph, self._depth // 2
        cosine, sine = self._wave(base)
        first, second = self._cut(heads, 0, half), self._cut(heads, half, 2 * half)
        one = graph.node("Sub", graph.node("Mul", first, cosine), graph.node("Mul", second, sine))
        other = graph.node("Add", graph.node("Mul", second, cosine), graph.node("Mul", first, sine))
        return graph.node("Concat", one, other, axis=-1)

    def _wave(self, base: float) -> tuple[str, str]:
        """Returns cosines and sines of the angles of positions, each [length, depth / 2]."""
        if base not in self._waves:
            graph, angles = self._graph, inverse_wavelengths(base, self._depth)
            turned = graph.node("Mul", self._down, graph.constant(f"rotary_{base!r}", angles))
            self._waves[base] = graph.node("Cos", turned), graph.node("Sin", turned)
        return self._waves[base]

    def _first(self, tensor: str, axis: int) -> str:
        return self._graph.node("Slice", tensor, self._graph.shape(0), self._graph.shape(1), self._graph.shape(axis))

    def _cut(self, tensor: str, begin: int, end: int) -> str:
        """Returns a part of the last axis."""
        return self._graph.node("Slice", tensor, *map(self._graph.shape, (begin, end, -1)))

    def _dense(self, rows: str, name: str) -> str:
        return self._graph.dense(rows, name, self._weights[f"{name}.weight"].T)

    def _norm(self, rows: str, name: str) -> str:
        return self._graph.norm(rows, name, self._weights, self._config.norm_epsilon)
