"""The encoder as ONNX nodes, in the patterns that ONNX Runtime fuses."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from mtdnn_tf.modeling.backbone import MASKED, MEAN, POOLER, BackboneConfig
from mtdnn_tf.modeling.bert_weights import (
    POSITION_EMBEDDINGS,
    PROJECTION,
    RELATIVE_EMBEDDINGS,
    RELATIVE_NORM,
    SEGMENT_EMBEDDINGS,
    WORD_EMBEDDINGS,
    read_weights,
)
from mtdnn_tf.modeling.encoder import Encoder
from mtdnn_tf.serving.client_files import MASK, SEGMENT_IDS, TOKEN_IDS
from mtdnn_tf.serving.onnx_format.disentangled_graph import DisentangledGraph
from mtdnn_tf.serving.onnx_format.graph import Graph
from mtdnn_tf.serving.onnx_format.modern_graph import ModernGraph


class Encoded(NamedTuple):
    """What heads read, by the names of tensors."""

    pooled: str  # [batch, width].
    sequence: str  # [batch, length, width]; of length 1 if the last block was computed for the first position only.


class EncoderGraph:
    """Adds an encoder to a graph.

    Args:
        graph: With the inputs that `client_files` names.
        encoder: Whose weights become constants.
        first_position: Whether the last block is computed for the first position only; not with pooling "mean".
    """

    def __init__(self, graph: Graph, encoder: Encoder, first_position: bool) -> None:
        self._graph = graph
        self._config: BackboneConfig = encoder.config
        self._weights = read_weights(encoder)
        self._first_position = first_position
        self._disentangled = DisentangledGraph(graph, encoder.config) if encoder.config.position_buckets else None

    def add(self) -> Encoded:
        """Adds the nodes, from token ids to what heads read."""
        states, mask = self._embed(), self._attention_mask()
        if self._config.has_modern_blocks:
            blocks = ModernGraph(self._graph, self._config, self._weights)
            states = blocks.add(states, mask, self._first_position)
            return Encoded(self._pool(states), states)
        if self._disentangled:
            self._relative_table = self._norm(self._table(RELATIVE_EMBEDDINGS), RELATIVE_NORM)
        for index in range(self._config.num_layers):
            is_last = index + 1 == self._config.num_layers
            prefix = f"encoder.layer.{self._config.own_layer(index)}."
            states = self._block(states, mask, prefix, self._first_position and is_last)
        return Encoded(self._pool(states), states)

    def _embed(self) -> str:
        tokens = self._rows(WORD_EMBEDDINGS, TOKEN_IDS)
        positions = self._positions() if self._config.has_positions else ""
        if self._config.num_segments:
            tokens = self._graph.node("Add", tokens, self._segments())
        if positions:
            tokens = self._graph.node("Add", tokens, positions)
        states = self._norm(tokens, "embeddings.LayerNorm")
        return self._dense(states, PROJECTION) if self._config.has_projection else states

    def _positions(self) -> str:
        """Returns the embeddings of the positions, [length, width]."""
        graph = self._graph
        first, end = graph.shape(self._config.position_offset), graph.node("Shape", TOKEN_IDS, start=1, end=2)
        if self._config.position_offset:
            end = graph.node("Add", end, first)
        positions = graph.node("Slice", self._table(POSITION_EMBEDDINGS), first, end, graph.shape(0))
        # Without it, ONNX Runtime would not see that what a block adds has the shape of its input, and fuse less.
        return graph.declare(positions, "length", self._config.embedding_width)

    def _segments(self) -> str:
        """Returns the embeddings of the segments; an encoder of one has both texts of a pair in it."""
        name, graph = SEGMENT_EMBEDDINGS, self._graph
        if self._config.num_segments > 1:
            return self._rows(name, SEGMENT_IDS)
        return graph.constant(f"{name}.only", self._weights[name][0])

    def _table(self, name: str) -> str:
        return self._graph.constant(name, self._weights[name])

    def _rows(self, name: str, ids: str) -> str:
        return self._graph.node("Gather", self._table(name), ids)

    def _norm(self, rows: str, name: str) -> str:
        return self._graph.norm(rows, name, self._weights, self._config.norm_epsilon)

    def _attention_mask(self) -> str:
        """Returns what is added to attention's scores, [batch, 1, 1, length]."""
        graph = self._graph
        wide = graph.node("Unsqueeze", graph.node("Unsqueeze", MASK, graph.shape(1)), graph.shape(2))
        opened = graph.node("Cast", wide, to=1)
        return graph.node("Mul", graph.node("Sub", graph.number(1.0), opened), graph.number(MASKED))

    def _dense(self, rows: str, name: str) -> str:
        return self._graph.dense(rows, name, self._weights[f"{name}.weight"].T, self._weights[f"{name}.bias"])

    def _heads(self, rows: str, name: str, order: tuple[int, ...], batch: int = 0, length: int = 0) -> str:
        """Returns rows through a linear layer as [batch, heads, length, depth], its axes in an order.

        Batch and length are as `Graph.shape` takes them, those of the rows by default.
        """
        heads = self._config.num_heads
        shape = self._graph.shape(batch, length, heads, self._config.hidden_dim // heads)
        return self._graph.node("Transpose", self._graph.node("Reshape", self._dense(rows, name), shape), perm=order)

    def _block(self, states: str, mask: str, prefix: str, first_position: bool) -> str:
        graph, config = self._graph, self._config
        asked = states
        if first_position:
            asked = graph.node("Slice", states, graph.shape(0), graph.shape(1), graph.shape(1))
        query = self._heads(asked, f"{prefix}attention.self.query", (0, 2, 1, 3))
        key = self._heads(states, f"{prefix}attention.self.key", (0, 2, 1, 3) if self._disentangled else (0, 2, 3, 1))
        value = self._heads(states, f"{prefix}attention.self.value", (0, 2, 1, 3))
        scores = self._scores(query, key, prefix, first_position)
        attention = graph.node("Softmax", graph.node("Add", scores, mask), axis=-1)
        mixed = graph.node("Transpose", graph.node("MatMul", attention, value), perm=(0, 2, 1, 3))
        mixed = graph.node("Reshape", mixed, graph.shape(0, 0, config.hidden_dim))
        attended = self._dense(mixed, f"{prefix}attention.output.dense")
        rows = self._norm(graph.node("Add", attended, asked), f"{prefix}attention.output.LayerNorm")
        wide = graph.activation(self._dense(rows, f"{prefix}intermediate.dense"), config.activation)
        narrow = self._dense(wide, f"{prefix}output.dense")
        return self._norm(graph.node("Add", narrow, rows), f"{prefix}output.LayerNorm")

    def _scores(self, query: str, key: str, prefix: str, first_position: bool) -> str:
        """Returns attention's scores, [batch, heads, length or 1, length]."""
        graph = self._graph
        if self._disentangled is None:
            scale = graph.number(float(np.sqrt(self._config.hidden_dim // self._config.num_heads)))
            return graph.node("Div", graph.node("MatMul", query, key), scale)
        rows = self._disentangled.rows(self._relative_table, first_position)
        parts = (f"{prefix}attention.self.{part}" for part in ("query", "key"))
        of_query, of_key = (self._heads(rows, part, (0, 2, 1, 3), batch=1, length=-1) for part in parts)
        return self._disentangled.scores(query, key, of_query, of_key, first_position)

    def _pool(self, states: str) -> str:
        graph = self._graph
        if self._config.pooling == MEAN:
            mask = graph.node("Unsqueeze", graph.node("Cast", MASK, to=1), graph.shape(2))
            axes = graph.shape(1)
            total = graph.node("ReduceSum", graph.node("Mul", states, mask), axes, keepdims=0)
            count = graph.node("Max", graph.node("ReduceSum", mask, axes, keepdims=0), graph.number(1.0))
            return graph.node("Div", total, count)
        first = graph.node("Gather", states, graph.constant("first", 0, np.int64), axis=1)
        return first if self._config.pooling != POOLER else graph.node("Tanh", self._dense(first, "pooler.dense"))
