"""Writing a trained model as ONNX, with its tokenizer and its description."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import onnx

from mtdnn_tf.data.encoded_split import EncodedSplit
from mtdnn_tf.modeling.checkpoints.model_folder import LoadedModel
from mtdnn_tf.serving.client_files import INPUTS, write_client_files
from mtdnn_tf.serving.onnx_format.accuracy import quantize_within
from mtdnn_tf.serving.onnx_format.encoder_graph import EncoderGraph
from mtdnn_tf.serving.onnx_format.graph import OPSET, Graph
from mtdnn_tf.serving.onnx_format.head_graphs import add_head
from mtdnn_tf.serving.reduced_weights import INT8

MODEL = "model.onnx"
# What ONNX calls the activations of kinds.
_ACTIVATIONS = {"softmax": "Softmax", "sigmoid": "Sigmoid"}


def onnx_model(loaded: LoadedModel) -> onnx.ModelProto:
    """Returns an ONNX model from token ids to what each task's kind makes of its logits.

    Inputs are int64 [batch, length]: `input_ids`, `attention_mask` and `token_type_ids`, as transformers names them.
    Each task has an output of its name, float32 [batch, num_outputs]: probabilities of its labels, or a score.
    """
    graph, model = Graph(dict.fromkeys(INPUTS, ("batch", "length"))), loaded.model
    heads = list(dict.fromkeys(task.head_task for task in loaded.tasks))
    encoded = EncoderGraph(graph, model.backbone, not model.reads_all_positions(heads)).add()
    logits = {name: add_head(graph, model, name, encoded) for name in heads}
    for task in loaded.tasks:
        answer, activation = logits[task.head_task], task.kind_object.activation
        if activation in _ACTIVATIONS:
            attributes = {"axis": -1} if activation == "softmax" else {}
            answer = graph.node(_ACTIVATIONS[activation], answer, **attributes)
        graph.output(task.name, answer, ("batch", task.num_outputs))
    return graph.model()


def write_onnx(
    loaded: LoadedModel, folder: Path, weights: str, development: Sequence[EncodedSplit], max_accuracy_loss: float
) -> None:
    """Writes model.onnx, tokenizer.json and config.json to a new folder.

    Args:
        loaded: The model, with the tasks that it answers there.
        folder: Is made.
        weights: "float32", or "int8" for the products of the encoder's layers.
        development: The development splits on which the loss of int8 is measured.
        max_accuracy_loss: Accepted loss of the tasks' average by int8, in points.

    Raises:
        UserError: int8 loses more, or there are no development rows.
    """
    folder.mkdir()
    made, measured = onnx_model(loaded), {}
    if weights == INT8:
        layers = loaded.model.backbone.config.num_own_layers
        made, cost = quantize_within(made, layers, development, max_accuracy_loss)
        measured = {"development": cost.to_json()}
    (folder / MODEL).write_bytes(made.SerializeToString(deterministic=True))
    write_client_files(loaded, folder, weights, {"format": "onnx", "opset": OPSET, **measured})
