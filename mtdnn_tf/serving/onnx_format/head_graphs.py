"""Task heads as ONNX nodes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from mtdnn_tf.modeling.backbone import MASKED
from mtdnn_tf.modeling.heads import LinearHead
from mtdnn_tf.modeling.multi_task_model import MultiTaskModel
from mtdnn_tf.modeling.san_head import SanHead
from mtdnn_tf.serving.client_files import MASK, SEGMENT_IDS
from mtdnn_tf.serving.onnx_format.encoder_graph import Encoded
from mtdnn_tf.serving.onnx_format.graph import Graph

_BOOL = 9


def add_head(graph: Graph, model: MultiTaskModel, name: str, encoded: Encoded) -> str:
    """Adds a head of a model; returns its logits [batch, num_outputs]."""
    head = model.heads[name]
    if isinstance(head, LinearHead):
        return graph.dense(encoded.pooled, f"heads.{name}", *(weight.numpy() for weight in head.logits.weights))
    return _SanGraph(graph, head, f"heads.{name}", encoded.sequence).add()


class _SanGraph:
    """Adds the nodes of a `SanHead`, in the order of its `call`."""

    def __init__(self, graph: Graph, head: SanHead, name: str, memory: str) -> None:
        self._graph = graph
        self._head = head
        self._name = name
        self._memory = memory

    def add(self) -> str:
        """Returns the log of the averaged probabilities, [batch, num_outputs]."""
        graph, head = self._graph, self._head
        real, second = (graph.node("Cast", name, to=_BOOL) for name in (MASK, SEGMENT_IDS))
        premise = graph.node("And", real, graph.node("Not", second))
        hypothesis = graph.node("And", real, second)
        scores = self._dense(self._memory, "hypothesis", head.hypothesis_attention.weights)
        state = self._weighted_sum(graph.node("Squeeze", scores, graph.shape(2)), hypothesis)
        predictions = []
        for step in range(head.steps):
            asked = graph.node(
                "Unsqueeze", self._dense(state, "premise", head.premise_attention.weights), graph.shape(2)
            )
            scores = graph.node("Squeeze", graph.node("MatMul", self._memory, asked), graph.shape(2))
            read = self._weighted_sum(scores, premise)
            apart, product = graph.node("Abs", graph.node("Sub", state, read)), graph.node("Mul", state, read)
            joint = graph.node("Concat", state, read, apart, product, axis=-1)
            logits = self._dense(joint, "logits", head.logits.weights)
            predictions.append(graph.node("Unsqueeze", graph.node("LogSoftmax", logits, axis=-1), graph.shape(1)))
            if step + 1 < head.steps:
                state = self._gru(read, state)
        together = graph.node("Concat", *predictions, axis=1)
        total = graph.node("ReduceLogSumExp", together, graph.shape(1), keepdims=0)
        return graph.node("Sub", total, graph.number(float(np.log(head.steps))))

    def _dense(self, rows: str, part: str, weights: Sequence[tf.Variable]) -> str:
        return self._graph.dense(rows, f"{self._name}.{part}", *(weight.numpy() for weight in weights))

    def _weighted_sum(self, scores: str, mask: str) -> str:
        """Returns the sum of the memory's places in a mask, weighted by the softmax of their scores: [batch, width]."""
        graph = self._graph
        masked = graph.node("Where", mask, scores, graph.number(MASKED))
        weights = graph.node("Where", mask, graph.node("Softmax", masked, axis=-1), graph.number(0.0))
        row = graph.node("MatMul", graph.node("Unsqueeze", weights, graph.shape(1)), self._memory)
        return graph.node("Squeeze", row, graph.shape(1))

    def _gru(self, inputs: str, state: str) -> str:
        """Returns the next state of Keras's GRU cell (its gates are z, r and h, the reset one after the product)."""
        graph = self._graph
        kernel, recurrent, biases = (weight.numpy() for weight in self._head.gru.weights)
        parts = []
        for rows, part, matrix, bias in (
            (inputs, "gru", kernel, biases[0]),
            (state, "recurrent", recurrent, biases[1]),
        ):
            names = [f"{self._name}.{part}.{gate}" for gate in "zrh"]
            kernels, gate_biases = np.split(matrix, 3, axis=1), np.split(bias, 3)
            parts.append([graph.dense(rows, *of) for of in zip(names, kernels, gate_biases)])
        (new_z, new_r, new_h), (old_z, old_r, old_h) = parts
        update = graph.node("Sigmoid", graph.node("Add", new_z, old_z))
        reset = graph.node("Sigmoid", graph.node("Add", new_r, old_r))
        candidate = graph.node("Tanh", graph.node("Add", new_h, graph.node("Mul", reset, old_h)))
        kept = graph.node("Mul", update, state)
        return graph.node("Add", kept, graph.node("Mul", graph.node("Sub", graph.number(1.0), update), candidate))
