"""Disentangled attention's scores as ONNX nodes; `modeling/disentangled_attention.py` has their meaning."""

from __future__ import annotations

import math

import numpy as np

from mtdnn_tf.modeling.backbone import BackboneConfig
from mtdnn_tf.modeling.disentangled_attention import rows_of_distances
from mtdnn_tf.serving.client_files import TOKEN_IDS
from mtdnn_tf.serving.onnx_format.graph import Graph


class DisentangledGraph:
    """Adds, to a graph with the input of token ids, the rows of relative positions and what blocks make of them."""

    def __init__(self, graph: Graph, config: BackboneConfig) -> None:
        self._graph = graph
        self._config = config
        self._length = graph.node("Shape", TOKEN_IDS, start=1, end=2)
        one = graph.shape(1)
        self._before, self._twice = graph.node("Sub", self._length, one), graph.node("Add", self._length, self._length)
        self._narrower = graph.node("Sub", self._twice, one)

    def rows(self, table: str, first_position: bool) -> str:
        """Returns rows of a normalized table, [2 * length, width], for the first position only [length, width]."""
        graph, most = self._graph, self._config.max_positions
        numbers = rows_of_distances(self._config.position_buckets, most)
        middle = graph.shape(most)
        first = graph.shape(most - 1) if first_position else graph.node("Sub", middle, self._length)
        end = graph.node("Add", first if first_position else middle, self._length)
        numbers_used = graph.node("Slice", graph.constant("relative_rows", numbers, np.int64), first, end)
        return graph.node("Gather", table, numbers_used)

    def scores(self, query: str, key: str, relative_query: str, relative_key: str, first_position: bool) -> str:
        """Returns attention's scores, [batch, heads, length or 1, length].

        Args:
            query: Of the positions that attend, [batch, heads, length or 1, depth].
            key: Of all positions, [batch, heads, length, depth].
            relative_query: Of `rows`, [1, heads, rows, depth].
            relative_key: Of the same rows.
            first_position: Whether only the first position attends.
        """
        graph = self._graph
        scale = graph.number(math.sqrt(3 * (self._config.hidden_dim // self._config.num_heads)))
        query, relative_query = graph.node("Div", query, scale), graph.node("Div", relative_query, scale)
        scores = self._products(query, key)
        of_query = self._products(query, relative_key)
        if first_position:
            by_key = graph.node("ReduceSum", graph.node("Mul", key, relative_query), graph.shape(3), keepdims=0)
            by_key = graph.node("Unsqueeze", by_key, graph.shape(2))
            return graph.node("Add", graph.node("Add", scores, of_query), by_key)
        step = graph.shape(-1)
        rising = graph.node("Slice", relative_query, step, graph.shape(np.iinfo(np.int64).min), graph.shape(2), step)
        of_key = self._products(key, rising)
        to_position = self._at_distances(of_query, self._before, graph.shape(-1))
        to_content = self._at_distances(of_key, self._length, graph.shape(np.iinfo(np.int64).max))
        to_content = graph.node("Transpose", to_content, perm=(0, 1, 3, 2))
        return graph.node("Add", graph.node("Add", scores, to_position), to_content)

    def _products(self, one: str, other: str) -> str:
        return self._graph.node("MatMul", one, self._graph.node("Transpose", other, perm=(0, 1, 3, 2)))

    def _at_distances(self, products: str, first: str, end: str) -> str:
        """Returns of [batch, heads, length, 2 * length] what the function of the same name in TensorFlow does."""
        graph = self._graph
        flat = graph.node("Reshape", products, graph.shape(0, 0, -1))
        flat = graph.node("Slice", flat, first, end, graph.shape(2))
        shape = graph.node("Concat", graph.shape(0, 0), self._length, self._narrower, axis=0)
        rows = graph.node("Reshape", flat, shape)
        return graph.node("Slice", rows, graph.shape(0), self._length, graph.shape(3))
