"""Building an ONNX graph node by node."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from mtdnn_tf import __version__
from mtdnn_tf.modeling.backbone import GELU

# The first with Gelu; LayerNormalization is of 17.
OPSET = 20
# Of the same release of ONNX; a file of a newer one is not read by older runtimes.
_IR_VERSION = 9


class Graph:
    """The nodes, constants and outputs of an ONNX graph; tensors are known by name.

    Args:
        inputs: Shapes of the int64 inputs by name; an axis of any length has a name.
    """

    def __init__(self, inputs: Mapping[str, Sequence[str]]) -> None:
        self._inputs = [
            helper.make_tensor_value_info(name, TensorProto.INT64, list(shape)) for name, shape in inputs.items()
        ]
        self._nodes: list[onnx.NodeProto] = []
        self._constants: dict[str, onnx.TensorProto] = {}
        self._declared: list[onnx.ValueInfoProto] = []
        self._outputs: list[onnx.ValueInfoProto] = []

    def constant(self, name: str, values: Any, dtype: type = np.float32) -> str:
        """Returns the name of a constant, which is stored once."""
        if name not in self._constants:
            self._constants[name] = numpy_helper.from_array(np.asarray(values, dtype), name)
        return name

    def node(self, operation: str, *inputs: str, **attributes: Any) -> str:
        """Returns the name of the output of a new node of the one output."""
        name = f"{operation}_{len(self._nodes)}"
        self._nodes.append(helper.make_node(operation, inputs, [name], name=name, **attributes))
        return name

    def declare(self, tensor: str, *shape: str | int) -> str:
        """Says a float32 tensor's shape where ONNX does not infer it, and returns the tensor."""
        self._declared.append(helper.make_tensor_value_info(tensor, TensorProto.FLOAT, list(shape)))
        return tensor

    def shape(self, *sizes: int) -> str:
        """Returns a constant that reshapes: 0 keeps an axis, -1 is what is left."""
        return self.constant(f"shape_{'_'.join(map(str, sizes))}", sizes, np.int64)

    def number(self, value: float) -> str:
        """Returns a float32 constant without axes."""
        return self.constant(f"number_{value!r}", value)

    def dense(self, rows: str, name: str, kernel: np.ndarray, bias: np.ndarray | None = None) -> str:
        """Returns rows [..., inputs] through a linear layer with a kernel [inputs, outputs]."""
        product = self.node("MatMul", rows, self.constant(f"{name}.kernel", kernel))
        return product if bias is None else self.node("Add", product, self.constant(f"{name}.bias", bias))

    def norm(self, rows: str, name: str, weights: Mapping[str, np.ndarray], epsilon: float) -> str:
        """Returns LayerNorm of the last axis, with the bias that the weights may have."""
        parts = [self.constant(part, weights[part]) for part in (f"{name}.weight", f"{name}.bias") if part in weights]
        return self.node("LayerNormalization", rows, *parts, axis=-1, epsilon=epsilon)

    def activation(self, rows: str, name: str) -> str:
        """Returns rows through an activation of `backbone.ACTIVATIONS`."""
        if name == "relu":
            return self.node("Relu", rows)
        return self.node("Gelu", rows, approximate="none" if name == GELU else "tanh")

    def output(self, name: str, tensor: str, shape: Sequence[str | int]) -> None:
        """Makes a float32 tensor an output of the graph."""
        self._nodes.append(helper.make_node("Identity", [tensor], [name], name=f"output_{name}"))
        self._outputs.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, list(shape)))

    def model(self) -> onnx.ModelProto:
        """Returns the graph as a model that ONNX's own checker accepts."""
        graph = helper.make_graph(
            self._nodes,
            "mtdnn",
            self._inputs,
            self._outputs,
            initializer=list(self._constants.values()),
            value_info=self._declared,
        )
        made = helper.make_model(
            graph,
            opset_imports=[helper.make_opsetid("", OPSET)],
            ir_version=_IR_VERSION,
            producer_name="mtdnn_tf",
            producer_version=__version__,
        )
        onnx.checker.check_model(made, full_check=True)
        return made
