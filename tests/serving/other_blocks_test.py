"""Exports of DeBERTa and ModernBERT, with any pooling, in fewer bits and for LiteRT, answer as the Keras model."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from mtdnn_tf.data.packing import pack, to_model_inputs
from mtdnn_tf.modeling.backbone import CLS, MEAN
from mtdnn_tf.modeling.checkpoints.backbones import find_backbone
from mtdnn_tf.modeling.checkpoints.model_folder import load_model, save_model
from mtdnn_tf.modeling.checkpoints.pretrained import with_pooling
from mtdnn_tf.modeling.multi_task_model import build_multi_task_model
from mtdnn_tf.serving.export import export_model
from mtdnn_tf.serving.litert import litert_answer, litert_model
from mtdnn_tf.serving.onnx_format.accuracy import onnx_answer
from mtdnn_tf.serving.onnx_format.export import onnx_model
from mtdnn_tf.serving.onnx_format.quantization import quantized
from tests.serving.examples import SINGLE
from tests.transformers_families import LENGTH, TEXTS

GOLDEN = Path(__file__).resolve().parents[1] / "golden" / "families"
# The layers and the numbers of weights in a layer's matrices.
MATRICES = {"deberta-v2": (2, 4 * 16 * 16 + 2 * 16 * 32), "modernbert": (4, 4 * 16 * 16 + 3 * 16 * 32)}
FIRST = [text for text, _ in TEXTS]


@pytest.fixture(name="loaded", scope="module", params=[(name, pooling) for name in MATRICES for pooling in (CLS, MEAN)])
def _loaded(request, tmp_path_factory):
    name, pooling = request.param
    pretrained = with_pooling(find_backbone(str(GOLDEN / name)), pooling)
    # As in training, so that texts differ.
    weights = {name: _centred(name, array) for name, array in pretrained.weights.items()}
    pretrained = dataclasses.replace(pretrained, weights=weights)
    model = build_multi_task_model(pretrained, [SINGLE])
    for head in model.heads.values():
        head.set_weights([np.random.default_rng(0).normal(0, 0.5, weight.shape) for weight in head.get_weights()])
    folder = tmp_path_factory.mktemp(name) / "run"
    save_model(model, [SINGLE], pretrained.tokenizer(), LENGTH, folder)
    return load_model(folder)


def _centred(name, array):
    if "LayerNorm." not in name:
        return array
    return np.zeros_like(array) if name.endswith("bias") else np.ones_like(array)


@pytest.fixture(name="batches", scope="module")
def _batches(loaded):
    """Inputs and probabilities of all texts together, and of one of three tokens, shorter than any other."""
    batches = []
    for texts in (FIRST, ["a"]):
        packed = to_model_inputs(pack(loaded.tokenizer.tokenize(tf.constant(texts)), None, loaded.tokenizer, LENGTH))
        inputs = {name: tf.cast(values, tf.int32) for name, values in packed.items()}
        batches.append((inputs, tf.nn.softmax(loaded.model.task_logits(inputs, SINGLE.name)).numpy()))
    assert np.ptp(batches[0][1], axis=0).max() > 0.05
    return [({name: values.numpy() for name, values in inputs.items()}, expected) for inputs, expected in batches]


def test_a_saved_model(loaded, batches, tmp_path):
    weights, tolerance = {CLS: ("int8", 0.2), MEAN: ("float16", 0.02)}[loaded.model.backbone.config.pooling]
    export_model(loaded, tmp_path / "1", weights=weights)
    signature = tf.saved_model.load(str(tmp_path / "1")).signatures[SINGLE.name]
    found = signature(text_a=tf.constant(FIRST))["probabilities"]
    np.testing.assert_allclose(found, batches[0][1], atol=tolerance)


@pytest.mark.parametrize(("reduced", "tolerance"), [(False, 1e-5), (True, 0.2)], ids=["float32", "int8"])
def test_onnx(loaded, batches, reduced, tolerance):
    model = onnx_model(loaded)
    layers, size = MATRICES[loaded.model.backbone.config.model_type]
    answer = onnx_answer(quantized(model, range(layers)) if reduced else model)
    for arrays, expected in batches:
        np.testing.assert_allclose(answer(SINGLE.name, arrays), expected, atol=tolerance)
    # DeBERTa's positions go through the same matrices as tokens.
    matrices = [constant for constant in model.graph.initializer if constant.name.endswith(".kernel")]
    in_layers = [constant for constant in matrices if constant.name.startswith("encoder.layer.")]
    assert sum(np.prod(constant.dims) for constant in in_layers) == layers * size


@pytest.mark.parametrize(("weights", "tolerance"), [("float32", 1e-5), ("int8", 0.2)])
def test_litert(loaded, batches, weights, tolerance):
    answer = litert_answer(litert_model(loaded, weights))
    for arrays, expected in batches:
        np.testing.assert_allclose(answer(SINGLE.name, arrays), expected, atol=tolerance)
