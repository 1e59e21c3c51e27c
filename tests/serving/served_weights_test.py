from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from mtdnn_tf.modeling.backbone import BackboneConfig
from mtdnn_tf.modeling.bert_weights import read_weights
from mtdnn_tf.modeling.encoder import Encoder
from mtdnn_tf.modeling.multi_task_model import INPUTS
from mtdnn_tf.serving.served_weights import ServedWeights

_LAYERS = 3


@pytest.fixture(name="encoder", scope="module")
def _encoder():
    encoder = Encoder(
        BackboneConfig(20, _LAYERS, num_heads=2, hidden_dim=8, intermediate_dim=12, max_positions=16), dropout=0.0
    )
    random = np.random.default_rng(0)
    encoder.set_weights([random.normal(0, 0.3, weight.shape) for weight in encoder.get_weights()])
    return encoder


@pytest.fixture(name="served", scope="module")
def _served(encoder):
    return ServedWeights(encoder)


@pytest.mark.parametrize("index", range(_LAYERS))
def test_every_weight_of_a_block_is_that_of_the_file(encoder, served, index):
    files = read_weights(encoder)
    block = {name: tf.convert_to_tensor(value).numpy() for name, value in served.block_weights(index).items()}
    parts = ("key", "value") if index == _LAYERS - 1 else ("query", "key", "value")
    joined = f"attention.self.{'_'.join(parts)}"
    prefix = f"encoder.layer.{index}."
    expected = {name[len(prefix) :]: array for name, array in files.items() if name.startswith(prefix)}
    for kind in ("weight", "bias"):
        # A file has the outputs of a matrix first.
        expected[f"{joined}.{kind}"] = np.concatenate([expected.pop(f"attention.self.{part}.{kind}") for part in parts])
    assert set(block) == set(expected)
    for name, array in expected.items():
        np.testing.assert_array_equal(block[name], array.T, err_msg=name)


@pytest.mark.parametrize("first_position", [False, True])
def test_the_encoder_answers_as_with_its_own_variables(encoder, served, first_position):
    random = np.random.default_rng(1)
    arrays = random.integers(0, 20, (4, 9)), random.integers(0, 2, (4, 9)), np.arange(9) < [[9], [1], [4], [7]]
    inputs = {name: tf.constant(array, tf.int32) for name, array in zip(INPUTS, arrays)}
    expected = encoder(inputs, first_position=first_position)
    found = encoder(inputs, first_position=first_position, weights=served)
    assert set(found) == set(expected)
    for name, output in expected.items():
        np.testing.assert_allclose(found[name], output, atol=1e-5)


def test_variables_are_matrices_and_of_those_replaced_none_is_read(encoder, served):
    assert {variable.shape.rank for variable in served.variables} == {2}
    replaced = {id(variable) for variable in served.replaced}
    left = [name for name, variable in encoder.named.items() if id(variable) not in replaced]
    assert left == [f"embeddings.{name}_embeddings.weight" for name in ("word", "position", "token_type")]
