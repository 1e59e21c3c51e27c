import numpy as np
import pytest
import tensorflow as tf

from mtdnn_tf.modeling.backbone import build_backbone
from mtdnn_tf.modeling.bert_weights import assign_weights
from mtdnn_tf.modeling.huggingface import read_huggingface_folder
from mtdnn_tf.modeling.partial_encoders import FirstPositionEncoder
from mtdnn_tf.modeling.recomputation import recompute_activations
from tests.bert_in_numpy import bert
from tests.helpers import VOCABULARY, write_huggingface_folder

_MASK = np.arange(9) < np.array([[9], [4], [7]])
_INPUTS = {
    "token_ids": np.where(_MASK, np.random.default_rng(3).integers(5, len(VOCABULARY), (3, 9)), 0),
    "segment_ids": np.where(_MASK & (np.arange(9) >= 3), 1, 0),
    "padding_mask": _MASK,
}
_TENSORS = {name: tf.constant(values, tf.int32) for name, values in _INPUTS.items()}


def _backbone(folder, recompute=False):
    weights = write_huggingface_folder(folder)
    pretrained = read_huggingface_folder(folder)
    backbone = build_backbone(pretrained.config, dropout=0.0)
    assign_weights(backbone, pretrained.weights, pretrained.source)
    if recompute:
        recompute_activations(backbone)
    return backbone, weights


def test_the_pooled_vector_is_that_of_bert_in_numpy(tmp_path):
    backbone, weights = _backbone(tmp_path / "bert")
    token_ids, segment_ids, mask = _INPUTS.values()
    _, pooled = bert(weights, token_ids, segment_ids, mask, layers=2, heads=2, hidden_act="gelu")
    np.testing.assert_allclose(FirstPositionEncoder(backbone)(_TENSORS), pooled, atol=1e-5)


@pytest.mark.parametrize("recompute", [False, True])
def test_gradients_are_those_of_the_whole_encoder(tmp_path, recompute):
    backbone, _ = _backbone(tmp_path / "bert", recompute)
    target = np.random.default_rng(0).normal(size=(3, backbone.hidden_dim)).astype(np.float32)
    whole, first = lambda: backbone(_TENSORS, training=True)["pooled_output"], FirstPositionEncoder(backbone)
    gradients = []
    for pooled in (whole, lambda: first(_TENSORS, training=True)):
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(pooled() * target)
        gradients.append([tf.convert_to_tensor(value) for value in tape.gradient(loss, backbone.trainable_variables)])
    assert len(gradients[0]) == len(backbone.trainable_variables)
    for expected, gradient in zip(*gradients):
        np.testing.assert_allclose(gradient, expected, atol=1e-5 * max(1.0, float(np.abs(expected).max())))
