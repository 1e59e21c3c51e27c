from __future__ import annotations

import pytest
import tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2
from tensorflow.python.framework import op_def_registry

from mtdnn_tf.errors import UserError
from mtdnn_tf.serving.serving_ops import ALLOWED_OPS, check_ops, ops_of_saved_model


class _Module(tf.Module):
    """Answers through a function of its own and a branch, so that operations stand in nested functions."""

    @tf.function(input_signature=[tf.TensorSpec([None], tf.float32, "x")])
    def serve(self, x):
        return {"y": self._inner(tf.cond(tf.size(x) > 1, lambda: tf.nn.relu(x), lambda: tf.math.lgamma(x)))}

    @tf.function
    def _inner(self, x):
        return tf.math.bessel_i0e(x)


def _save(folder):
    module = _Module()
    tf.saved_model.save(module, str(folder), signatures={"serve": module.serve})


def test_operations_of_nested_functions_are_found(tmp_path):
    _save(tmp_path)
    ops = ops_of_saved_model(tmp_path)
    assert {"Relu", "Lgamma", "BesselI0e", "Placeholder", "RestoreV2"} <= ops
    assert not any("__inference" in op for op in ops)


def test_operations_that_are_not_on_the_list_are_named(tmp_path):
    _save(tmp_path)
    with pytest.raises(UserError, match="BesselI0e, Lgamma") as raised:
        check_ops(tmp_path)
    assert "Relu" not in str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_function_called_as_an_operation_is_no_unknown_operation(tmp_path):
    saved_model = saved_model_pb2.SavedModel()
    graph = saved_model.meta_graphs.add().graph_def
    function = graph.library.function.add()
    function.signature.name = "my_function"
    function.node_def.add(name="inner", op="Relu")
    graph.node.add(name="outer", op="my_function")
    (tmp_path / "saved_model.pb").write_bytes(saved_model.SerializeToString())
    assert ops_of_saved_model(tmp_path) == {"Relu"}


def test_the_list_has_no_operation_that_serving_must_not_need():
    unwanted = ("Random", "Stateless", "PyFunc", "RoundRobin", "Trim", "HashTable", "Dropout")
    assert not [op for op in ALLOWED_OPS if any(word in op for word in unwanted)]


def test_every_operation_on_the_list_exists():
    import tensorflow_text  # noqa: F401  It registers its operations.

    assert not [op for op in ALLOWED_OPS if op_def_registry.get(op) is None]
