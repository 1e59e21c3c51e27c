from __future__ import annotations

import json

import numpy as np
import pytest
import tensorflow as tf
from tensorflow.core.framework import types_pb2
from tensorflow.core.protobuf import saved_model_pb2

from mtdnn_tf.data.packing import pack, to_model_inputs
from mtdnn_tf.errors import UserError
from mtdnn_tf.modeling.backbone import BackboneConfig
from mtdnn_tf.modeling.bert_weights import assign_weights, read_weights
from mtdnn_tf.modeling.checkpoints.model_folder import LoadedModel
from mtdnn_tf.modeling.checkpoints.pretrained import PretrainedBackbone
from mtdnn_tf.modeling.multi_task_model import build_multi_task_model
from mtdnn_tf.serving.export import ALLOWED_OPS, export_model, ops_of_saved_model
from mtdnn_tf.serving.layout import DESCRIPTION
from mtdnn_tf.serving.reduced_weights import quantize
from tests.serving.examples import MAX_SEQUENCE_LENGTH, SCORED, SINGLE, VOCABULARY, ask, random_texts

_WIDTH = 128
_LAYERS = 2
_MATRICES = 1 + 6 * _LAYERS + 1
_TEXTS = {"text_a": random_texts(1), "text_b": random_texts(2)}


def _model():
    """A random model that is wide enough for its matrices to be most of its size."""
    config = BackboneConfig(
        len(VOCABULARY), _LAYERS, num_heads=2, hidden_dim=_WIDTH, intermediate_dim=4 * _WIDTH, max_positions=24
    )
    pretrained = PretrainedBackbone("test", config, VOCABULARY, lowercase=True, weights={})
    model = build_multi_task_model(pretrained, [SINGLE, SCORED], dropout=0.5)
    random = np.random.default_rng(0)
    model.set_weights([weight + random.normal(0, 0.1, weight.shape) for weight in model.get_weights()])
    return LoadedModel(model, [SINGLE, SCORED], pretrained.tokenizer(), MAX_SEQUENCE_LENGTH, fingerprint="f" * 64)


@pytest.fixture(name="loaded", scope="module")
def _shared_model():
    return _model()


@pytest.fixture(name="exports", scope="module")
def _shared_exports(loaded, tmp_path_factory):
    folder = tmp_path_factory.mktemp("served")
    for version, weights in enumerate(("float32", "float16", "int8"), start=1):
        export_model(loaded, folder / str(version), weights=weights)
    return {"float32": folder / "1", "float16": folder / "2", "int8": folder / "3"}


def _is_reduced(name, array):
    return array.ndim == 2 and "position_embeddings" not in name and "token_type" not in name


def _rounded(array, weights):
    """What is left of a matrix [outputs, inputs], by rows."""
    if weights == "float16":
        return array.astype(np.float16).astype(np.float32)
    rows = []
    for row in array:
        scale = np.float32(max(abs(value) for value in row)) / np.float32(127)
        rows.append([np.float32(round(value / scale)) * scale for value in row])
    return np.array(rows, np.float32)


def _logits(loaded):
    first, second = (loaded.tokenizer.tokenize(tf.constant(texts)) for texts in _TEXTS.values())
    packed = pack(first, second, loaded.tokenizer, MAX_SEQUENCE_LENGTH)
    return loaded.model(to_model_inputs(packed), training=False)["scored"].numpy()[:, 0]


def test_whole_numbers_and_scales_are_those_of_the_formula():
    matrix = np.array([[1.0, -0.5, 0.0], [-2.0, 0.25, 0.0]], np.float32)
    stored, scales = quantize(matrix, (0,))
    # By columns: the largest becomes 127; 1 / 2 * 127 = 63.5, to the even 64; 0.25 / 0.5 * 127 = 63.5.
    assert stored.dtype == np.int8
    np.testing.assert_array_equal(stored, [[64, -127, 0], [-127, 64, 0]])
    np.testing.assert_allclose(scales, [[2 / 127, 0.5 / 127, 1.0]], rtol=1e-6)
    stored, scales = quantize(matrix, (0, 1))
    np.testing.assert_array_equal(stored, [[64, -32, 0], [-127, 16, 0]])
    assert scales.shape == (1, 1)


@pytest.mark.parametrize(("weights", "bound"), [("float16", 0.02), ("int8", 0.25)])
def test_answers_are_those_of_the_rounded_matrices(loaded, exports, tmp_path, weights, bound):
    (answer,) = ask(exports[weights], [("scored", _TEXTS)], tmp_path)
    original = _logits(loaded)
    arrays = read_weights(loaded.model.backbone)
    reduced = {name: array for name, array in arrays.items() if _is_reduced(name, array)}
    assert len(reduced) == _MATRICES
    rounded = {**arrays, **{name: _rounded(array, weights) for name, array in reduced.items()}}
    assign_weights(loaded.model.backbone, rounded)
    expected = _logits(loaded)
    assign_weights(loaded.model.backbone, arrays)
    np.testing.assert_allclose(answer["score"], expected, atol=1e-5)
    # And the price of it is small, but one can see it.
    difference = np.abs(answer["score"] - original).max() / original.std()
    assert 1e-6 < difference < bound


@pytest.mark.parametrize(("weights", "ratio"), [("float16", 0.5), ("int8", 0.25)])
def test_the_files_are_smaller_and_hold_no_matrix_in_float32(exports, weights, ratio):
    def size(folder):
        return sum(path.stat().st_size for path in (folder / "variables").iterdir())

    assert ratio < size(exports[weights]) / size(exports["float32"]) < ratio + 0.06
    reader = tf.train.load_checkpoint(str(exports[weights] / "variables" / "variables"))
    shapes = reader.get_variable_to_shape_map()
    types = [reader.get_variable_to_dtype_map()[name] for name, shape in shapes.items() if np.prod(shape) >= _WIDTH**2]
    # Attention's matrices are joined: three in all blocks but the last, where they are two.
    assert types == [tf.as_dtype(weights)] * (4 * _LAYERS + 1 + 1)
    # Nor does the graph, as a constant; vectors are constants.
    saved_model = saved_model_pb2.SavedModel()
    saved_model.ParseFromString((exports[weights] / "saved_model.pb").read_bytes())
    (graph,) = (meta_graph.graph_def for meta_graph in saved_model.meta_graphs)
    nodes = [*graph.node, *(node for function in graph.library.function for node in function.node_def)]
    constants = [node.attr["value"].tensor for node in nodes if node.op == "Const"]
    numbers = (types_pb2.DT_FLOAT, types_pb2.DT_HALF, types_pb2.DT_INT8)
    assert max(constant.ByteSize() for constant in constants if constant.dtype in numbers) < _WIDTH**2


@pytest.mark.parametrize("weights", ["float32", "float16", "int8"])
def test_a_stock_server_has_the_operations_and_the_description_names_the_weights(exports, weights):
    assert ops_of_saved_model(exports[weights]) <= ALLOWED_OPS
    assert json.loads((exports[weights] / DESCRIPTION).read_text())["weights"] == weights


def test_the_model_that_is_exported_stays_as_it_is(loaded, tmp_path):
    before = _logits(loaded)
    export_model(loaded, tmp_path / "1", batch_sizes=(), weights="int8")
    np.testing.assert_array_equal(_logits(loaded), before)


@pytest.mark.parametrize(
    ("weights", "value", "message"),
    [("int4", 1.0, "unknown --weights.* 'int4'"), ("float16", 1e6, "above 65504"), ("int8", np.nan, "not finite")],
)
def test_weights_that_cannot_be_stored_are_refused(tmp_path, weights, value, message):
    loaded = _model()
    kernel = loaded.model.backbone.named["pooler.dense.weight"]
    kernel.assign(np.full(kernel.shape, value, np.float32))
    with pytest.raises(UserError, match=message):
        export_model(loaded, tmp_path / "1", weights=weights)
    assert not list(tmp_path.iterdir())
