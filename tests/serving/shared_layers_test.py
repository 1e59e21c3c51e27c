"""Exports of ALBERT, whose layers share their weights, store them once in every format."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from mtdnn_tf.data.packing import pack, to_model_inputs
from mtdnn_tf.modeling.backbone import MEAN
from mtdnn_tf.modeling.bert_weights import read_weights
from mtdnn_tf.modeling.checkpoints.backbones import find_backbone
from mtdnn_tf.modeling.checkpoints.model_folder import load_model, save_model
from mtdnn_tf.modeling.checkpoints.pretrained import PretrainedBackbone, with_pooling
from mtdnn_tf.modeling.multi_task_model import build_multi_task_model
from mtdnn_tf.serving.export import export_model
from mtdnn_tf.serving.litert import litert_answer, litert_model
from mtdnn_tf.serving.onnx_format.accuracy import onnx_answer
from mtdnn_tf.serving.onnx_format.export import onnx_model
from mtdnn_tf.serving.onnx_format.quantization import quantized
from tests.serving.examples import SINGLE
from tests.transformers_families import LENGTH, TEXTS

GOLDEN = Path(__file__).resolve().parents[1] / "golden" / "families" / "albert"


@pytest.fixture(name="loaded", scope="module")
def _loaded(tmp_path_factory):
    pretrained = with_pooling(find_backbone(str(GOLDEN)), MEAN)
    # As in training, so that texts differ in what three runs of one layer make of them.
    weights = {name: _centred(name, array) for name, array in pretrained.weights.items()}
    pretrained = dataclasses.replace(pretrained, weights=weights)
    model = build_multi_task_model(pretrained, [SINGLE])
    for head in model.heads.values():
        head.set_weights([np.random.default_rng(0).normal(0, 1, weight.shape) for weight in head.get_weights()])
    folder = tmp_path_factory.mktemp("albert") / "run"
    save_model(model, [SINGLE], pretrained.tokenizer(), LENGTH, folder)
    return load_model(folder)


def _unshared(loaded):
    """Returns the same model with layers of their own, which have the same weights."""
    backbone = loaded.model.backbone
    weights = read_weights(backbone)
    for name in [*weights]:
        if name.startswith("encoder.layer.0."):
            weights.update({name.replace(".0.", f".{number}.", 1): weights[name] for number in (1, 2)})
    config = dataclasses.replace(backbone.config, shares_layers=False)
    pretrained = PretrainedBackbone("", config, loaded.tokenizer.vocabulary, True, weights, loaded.tokenizer.rules)
    model = build_multi_task_model(pretrained, [SINGLE])
    for name, head in model.heads.items():
        head.set_weights(loaded.model.heads[name].get_weights())
    return loaded._replace(model=model)


def _centred(name, array):
    if name.endswith("LayerNorm.weight"):
        return np.ones_like(array)
    return np.zeros_like(array) if name.endswith("bias") else array


@pytest.fixture(name="inputs", scope="module")
def _inputs(loaded):
    tokens = loaded.tokenizer.tokenize(tf.constant([text for text, _ in TEXTS]))
    packed = to_model_inputs(pack(tokens, None, loaded.tokenizer, LENGTH))
    return {name: tf.cast(values, tf.int32) for name, values in packed.items()}


def _expected(loaded, inputs):
    probabilities = tf.nn.softmax(loaded.model.task_logits(inputs, SINGLE.name)).numpy()
    assert np.ptp(probabilities, axis=0).max() > 0.1
    return probabilities


@pytest.mark.parametrize(("weights", "tolerance"), [("float32", 1e-5), ("float16", 0.02), ("int8", 0.2)])
def test_a_saved_model(loaded, inputs, tmp_path, weights, tolerance):
    export_model(loaded, tmp_path / "1", weights=weights)
    signature = tf.saved_model.load(str(tmp_path / "1")).signatures[SINGLE.name]
    found = signature(text_a=tf.constant([text for text, _ in TEXTS]))["probabilities"]
    np.testing.assert_allclose(found, _expected(loaded, inputs), atol=tolerance)
    reader = tf.train.load_checkpoint(str(tmp_path / "1" / "variables" / "variables"))
    shapes = reader.get_variable_to_shape_map()
    layer = sum(np.prod(shape) for shape in shapes.values() if len(shape) == 2 and min(shape) >= 16)
    # Four of attention, two of the feed-forward layer.
    assert layer == 4 * 16 * 16 + 2 * 16 * 32


@pytest.mark.parametrize("layers", [(), (0,)], ids=["float32", "int8"])
def test_onnx(loaded, inputs, layers):
    model = onnx_model(loaded)
    model = quantized(model, layers) if layers else model
    arrays = {name: values.numpy() for name, values in inputs.items()}
    expected = _expected(loaded, inputs)
    if layers:
        expected = onnx_answer(quantized(onnx_model(_unshared(loaded)), (0, 1, 2)))(SINGLE.name, arrays)
    np.testing.assert_allclose(onnx_answer(model)(SINGLE.name, arrays), expected, atol=1e-5)
    matrices = [constant for constant in model.graph.initializer if constant.name.startswith("encoder.layer.")]
    sizes = [np.prod(constant.dims) for constant in matrices if len(constant.dims) == 2]
    assert sum(sizes) == 4 * 16 * 16 + 2 * 16 * 32
    types = {constant.data_type for constant in matrices if len(constant.dims) == 2}
    assert len(types) == 1


@pytest.mark.parametrize(("weights", "tolerance"), [("float32", 1e-5), ("float16", 0.02), ("int8", 0.2)])
def test_litert(loaded, inputs, weights, tolerance):
    model = litert_model(loaded, weights)
    found = litert_answer(model)(SINGLE.name, {name: values.numpy() for name, values in inputs.items()})
    np.testing.assert_allclose(found, _expected(loaded, inputs), atol=tolerance)
