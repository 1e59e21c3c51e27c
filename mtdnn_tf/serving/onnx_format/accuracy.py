"""Answers of ONNX models, and which layers int8 must leave out for the sake of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import onnx
import onnxruntime

from mtdnn_tf.data.encoded_split import EncodedSplit
from mtdnn_tf.evaluation.development import Answer, development_metrics, outputs_of
from mtdnn_tf.serving.client_files import INPUTS
from mtdnn_tf.serving.int8_cost import Int8Cost, check_development, too_much
from mtdnn_tf.serving.onnx_format.quantization import quantized

# Rows per split by which layers are compared.
_COMPARED = 64


def quantize_within(
    model: onnx.ModelProto, num_layers: int, development: Sequence[EncodedSplit], max_loss: float
) -> tuple[onnx.ModelProto, Int8Cost]:
    """Quantizes an encoder's layers, and leaves out those that change answers most until the loss is small enough.

    Args:
        model: Of float32, from `onnx_model`.
        num_layers: Of its encoder.
        development: The development splits on which the loss is measured.
        max_loss: Accepted loss of the tasks' average, in points.

    Raises:
        UserError: There are no development rows, or the loss is larger whichever layers are left out.
    """
    check_development(development)
    before = development_metrics(onnx_answer(model), development)
    order: list[int] = []
    losses = []
    for left_out in range(num_layers):
        if left_out == 1:
            # Takes as many models as there are layers, and is seldom needed.
            order = _most_sensitive(model, num_layers, development)
        kept = tuple(sorted(order[:left_out]))
        made = quantized(model, set(range(num_layers)) - set(kept))
        cost = Int8Cost(before, development_metrics(onnx_answer(made), development), kept)
        cost.log()
        if cost.loss <= max_loss:
            return made, cost
        losses.append(cost.loss)
    raise too_much(min(losses), max_loss)


def onnx_answer(model: onnx.ModelProto) -> Answer:
    """Returns what answers by an ONNX model."""
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])

    def answer(task: str, batch: Mapping[str, np.ndarray]) -> np.ndarray:
        inputs = {name: batch[ours].astype(np.int64) for name, ours in INPUTS.items()}
        return np.asarray(session.run([task], inputs)[0])

    return answer


def _most_sensitive(model: onnx.ModelProto, num_layers: int, development: Sequence[EncodedSplit]) -> list[int]:
    """Returns the layers in the order of how much int8 in them alone changes a sample of answers."""
    samples = [(encoded, np.arange(min(len(encoded), _COMPARED))) for encoded in development]
    answer = onnx_answer(model)
    exact = [outputs_of(answer, *sample) for sample in samples]

    def change(layer: int) -> float:
        answer = onnx_answer(quantized(model, {layer}))
        # Relative to their spread, as scores have no common unit.
        found = (outputs_of(answer, *sample) - values for sample, values in zip(samples, exact))
        return sum(float(np.mean(np.abs(apart)) / (np.std(values) or 1)) for apart, values in zip(found, exact))

    return sorted(range(num_layers), key=change, reverse=True)
