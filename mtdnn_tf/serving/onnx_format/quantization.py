"""Dynamic quantization of an ONNX model: an encoder's matrices in int8, what they multiply quantized as it comes."""

from __future__ import annotations

import contextlib
import logging
import re
import tempfile
from collections.abc import Collection, Iterator
from pathlib import Path

import onnx
from onnxruntime.quantization import QuantType, quantize_dynamic

_LAYER = re.compile(r"encoder\.layer\.(\d+)\..*\.kernel")


def quantized(model: onnx.ModelProto, layers: Collection[int]) -> onnx.ModelProto:
    """Returns a model in which some layers of the encoder multiply in int8, with a scale for each output of a matrix.

    Args:
        model: Of float32, from `onnx_model`.
        layers: Numbers of the layers.
    """
    products = [node for node in model.graph.node if node.op_type == "MatMul"]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "model.onnx")
        with _quietly():
            quantize_dynamic(
                model,
                path,
                per_channel=True,
                weight_type=QuantType.QInt8,
                # Weights of 7 bits: processors without VNNI add two products in 16 bits, which 8 bits overflow.
                reduce_range=True,
                op_types_to_quantize=["MatMul"],
                nodes_to_exclude=[node.name for node in products if _layer(node) not in layers],
            )
        return onnx.load(str(path))


@contextlib.contextmanager
def _quietly() -> Iterator[None]:
    """Keeps ONNX Runtime from logging, on the root logger, every tensor that it leaves in float32."""
    before = logging.root.manager.disable
    logging.disable(logging.INFO)
    try:
        yield
    finally:
        logging.disable(before)


def _layer(product: onnx.NodeProto) -> int | None:
    """Returns the number of the layer that a product with a matrix belongs to, None for others."""
    found = _LAYER.fullmatch(product.input[1])
    return int(found[1]) if found else None
