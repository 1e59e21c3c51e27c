import gc
import weakref

import keras_nlp
import numpy as np
import pytest
import tensorflow as tf

from mtdnn_tf.modeling.backbone import BackboneConfig
from mtdnn_tf.modeling.bert_weights import assign_weights, encoder_weights, read_weights, variables_in_order
from mtdnn_tf.modeling.dropout import generator_seeds
from mtdnn_tf.modeling.encoder import Encoder
from tests.bert_in_numpy import bert

# KerasNLP's BertBackbone always has this activation.
CONFIG = BackboneConfig(30, 2, 4, 16, 32, max_positions=12, activation="gelu_approximate")
MASK = np.arange(9) < np.array([[9], [4], [7]])
INPUTS = {
    "token_ids": tf.constant(np.where(MASK, np.random.default_rng(3).integers(5, 30, (3, 9)), 0), tf.int32),
    "segment_ids": tf.constant(np.where(MASK & (np.arange(9) >= 3), 1, 0), tf.int32),
    "padding_mask": tf.constant(MASK, tf.int32),
}


def _arrays(config=CONFIG):
    """Random weights that no sign or order hides."""
    generator = np.random.default_rng(0)
    return {
        weight.name: generator.normal("LayerNorm.weight" in weight.name, 0.3, weight.shape).astype(np.float32)
        for weight in encoder_weights(config)
    }


def _encoder(precision="float32", config=CONFIG, **arguments):
    encoder = Encoder(config, **{"dropout": 0.0, "dtype": precision, **arguments})
    assign_weights(encoder, _arrays(config))
    return encoder


def _keras_nlp(precision="float32"):
    backbone = keras_nlp.models.BertBackbone(30, 2, 4, 16, 32, dropout=0.0, max_sequence_length=12, dtype=precision)
    assign_weights(variables_in_order(CONFIG, backbone.weights), _arrays())
    return backbone


def _outputs_and_gradients(call, variables):
    """Returns the pooled vector and what else there is, and the gradients of a loss of the pooled vector."""
    target = np.random.default_rng(1).normal(size=(3, 16)).astype(np.float32)
    with tf.GradientTape() as tape:
        outputs = call(INPUTS)
        loss = tf.reduce_sum(tf.cast(outputs["pooled_output"], tf.float32) * target)
    gradients = tape.gradient(loss, variables, unconnected_gradients=tf.UnconnectedGradients.ZERO)
    return outputs, [tf.convert_to_tensor(gradient).numpy() for gradient in gradients]


@pytest.mark.parametrize("recompute", [False, True])
@pytest.mark.parametrize("first_position", [False, True])
def test_outputs_and_gradients_equal_those_of_keras_nlp(first_position, recompute):
    theirs, ours = _keras_nlp(), _encoder(recompute=recompute)
    expected, their_gradients = _outputs_and_gradients(lambda x: theirs(x, training=True), theirs.trainable_variables)
    outputs, gradients = _outputs_and_gradients(
        lambda x: ours(x, training=True, first_position=first_position), list(ours.named.values())
    )
    assert set(outputs) == ({"pooled_output"} if first_position else {"pooled_output", "sequence_output"})
    for name, output in outputs.items():
        np.testing.assert_allclose(output, expected[name], atol=3e-6)
    assert len(their_gradients) == len(gradients) == 5 + 2 * 16 + 2
    for name, expected_one, gradient in zip(ours.named, their_gradients, gradients):
        scale = max(1.0, float(np.abs(expected_one).max()))
        np.testing.assert_allclose(gradient, expected_one, atol=4e-6 * scale, err_msg=name)


@pytest.mark.parametrize("precision", ["mixed_bfloat16", "mixed_float16"])
def test_sixteen_bits_are_near_keras_nlps(precision):
    theirs, ours = _keras_nlp(precision), _encoder(precision)
    exact = _encoder()(INPUTS)
    expected, outputs = theirs(INPUTS), ours(INPUTS)
    for name in ("sequence_output", "pooled_output"):
        assert outputs[name].dtype == expected[name].dtype == precision.removeprefix("mixed_")
        difference, of_keras = (
            np.abs(tf.cast(found[name], tf.float32) - exact[name]).max() for found in (outputs, expected)
        )
        assert 0 < difference < 2 * of_keras


@pytest.mark.parametrize("activation", ["gelu", "relu"])
def test_other_activations_are_those_of_bert_in_numpy(activation):
    config = BackboneConfig(30, 2, 4, 16, 32, max_positions=12, activation=activation)
    token_ids, segment_ids, mask = (values.numpy() for values in INPUTS.values())
    sequence, pooled = bert(_arrays(config), token_ids, segment_ids, mask, 2, 4, activation)
    for training in (False, True):
        outputs = _encoder(config=config)(INPUTS, training=training)
        np.testing.assert_allclose(outputs["sequence_output"].numpy()[MASK], sequence[MASK], atol=1e-5)
        np.testing.assert_allclose(outputs["pooled_output"], pooled, atol=1e-5)


def test_padding_changes_no_other_position():
    encoder = _encoder()
    changed = {**INPUTS, "token_ids": INPUTS["token_ids"] + 7 * (1 - INPUTS["padding_mask"])}
    before, after = (encoder(inputs)["sequence_output"].numpy() for inputs in (INPUTS, changed))
    np.testing.assert_allclose(after[MASK], before[MASK], atol=1e-6)
    assert np.abs(after[~MASK] - before[~MASK]).max() > 1e-2


def test_initial_weights_are_those_of_keras_nlp_after_set_random_seed():
    tf.keras.utils.set_random_seed(5)
    tf.keras.backend.experimental.enable_tf_random_generator()
    theirs = keras_nlp.models.BertBackbone(30, 2, 4, 16, 32, dropout=0.1, max_sequence_length=12)
    expected = read_weights(variables_in_order(CONFIG, theirs.weights))
    for name, array in read_weights(Encoder(CONFIG, 0.1, generator_seeds(5))).items():
        np.testing.assert_array_equal(array, expected[name], err_msg=name)


def test_the_generators_states_are_all_that_dropout_depends_on():
    encoder = _encoder(dropout=0.5)
    assert len(encoder.generators) == 1 + 3 * 2
    states = [generator.state.numpy() for generator in encoder.generators]
    first, second = (encoder(INPUTS, training=True)["pooled_output"].numpy() for _ in range(2))
    for generator, state in zip(encoder.generators, states):
        generator.state.assign(state)
    np.testing.assert_array_equal(encoder(INPUTS, training=True)["pooled_output"], first)
    assert (first != second).any()
    still = encoder(INPUTS)["pooled_output"]
    np.testing.assert_array_equal(encoder(INPUTS)["pooled_output"], still)
    assert np.abs(still - first).max() > 0.1


@pytest.mark.parametrize("recompute", [False, True])
def test_a_training_leaves_no_graph_behind(recompute):
    def differentiated_graph():
        encoder = Encoder(CONFIG, dropout=0.1, recompute=recompute)

        @tf.function(autograph=False)
        def gradient():
            with tf.GradientTape() as tape:
                loss = tf.reduce_sum(encoder(INPUTS, training=True)["pooled_output"])
            return tape.gradient(loss, encoder.trainable_variables)[-1]

        assert np.isfinite(gradient().numpy()).all()
        return weakref.ref(gradient.get_concrete_function().graph), weakref.ref(encoder)

    graph, encoder = differentiated_graph()
    gc.collect()
    assert graph() is None and encoder() is None
