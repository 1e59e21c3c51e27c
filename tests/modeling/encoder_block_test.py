import keras_nlp
import numpy as np
import pytest
import tensorflow as tf

from mtdnn_tf.modeling.encoder_block import EncoderBlock
from mtdnn_tf.modeling.gelu import exact_gelu

BATCH, LENGTH, WIDTH = 3, 7, 16


def _block(dropout):
    block = keras_nlp.layers.TransformerEncoder(32, 4, dropout=dropout, activation="gelu", layer_norm_epsilon=1e-12)
    block(tf.zeros([1, 2, WIDTH]))  # Attention has its variables from its first call.
    return block


@pytest.fixture(scope="module")
def blocks():
    """KerasNLP's own block and ours, with the same random weights."""
    generator = np.random.default_rng(0)
    own, ours = _block(0.0), _block(0.0)
    ours.__class__ = EncoderBlock
    ours._feedforward_intermediate_dense.activation = exact_gelu
    weights = [generator.normal(0, 0.5, weight.shape).astype(np.float32) for weight in own.get_weights()]
    for block in (own, ours):
        block.set_weights(weights)
    return own, ours


def _inputs():
    generator = np.random.default_rng(1)
    mask = np.arange(LENGTH) < np.array([[7], [4], [1]])
    return tf.constant(generator.normal(size=(BATCH, LENGTH, WIDTH)), tf.float32), tf.constant(mask, tf.int32)


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("masked", [True, False])
def test_outputs_and_gradients_equal_those_of_keras_nlp(blocks, masked, training):
    inputs, mask = _inputs()
    target = tf.constant(np.random.default_rng(2).normal(size=inputs.shape), tf.float32)
    outputs, gradients = [], []
    for block in blocks:
        with tf.GradientTape() as tape:
            tape.watch(inputs)
            output = block(inputs, padding_mask=mask if masked else None, training=training)
            loss = tf.reduce_sum(output * target)
        outputs.append(output)
        gradients.append(tape.gradient(loss, [inputs, *block.trainable_variables]))
    np.testing.assert_allclose(outputs[1], outputs[0], rtol=0, atol=1e-5)
    assert len(gradients[0]) == 1 + 16
    for expected, gradient in zip(*gradients):
        np.testing.assert_allclose(gradient, expected, rtol=0, atol=2e-6 * max(1.0, np.abs(expected).max()) * 10)


@pytest.mark.parametrize("training", [True, False])
def test_the_first_position_alone_is_that_of_keras_nlp(blocks, training):
    inputs, mask = _inputs()
    target = tf.constant(np.random.default_rng(2).normal(size=(BATCH, 1, WIDTH)), tf.float32)
    outputs, gradients = [], []
    for block, arguments in zip(blocks, ({}, {"first_position": True})):
        with tf.GradientTape() as tape:
            tape.watch(inputs)
            output = block(inputs, padding_mask=mask, training=training, **arguments)[:, :1]
            loss = tf.reduce_sum(output * target)
        outputs.append(output)
        gradients.append(tape.gradient(loss, [inputs, *block.trainable_variables]))
    np.testing.assert_allclose(outputs[1], outputs[0], rtol=0, atol=1e-5)
    for expected, gradient in zip(*gradients):
        np.testing.assert_allclose(gradient, expected, rtol=0, atol=2e-6 * max(1.0, np.abs(expected).max()) * 10)


def test_a_position_of_padding_changes_no_other(blocks):
    inputs, mask = _inputs()
    changed = inputs + 5.0 * tf.cast(1 - mask, tf.float32)[:, :, tf.newaxis]
    kept = mask.numpy().astype(bool)
    before, after = (blocks[1](values, padding_mask=mask).numpy() for values in (inputs, changed))
    np.testing.assert_allclose(after[kept], before[kept], atol=1e-6)
    assert np.abs(after[~kept] - before[~kept]).max() > 1e-2


def test_dropout_acts_in_training_alone():
    block = _block(0.5)
    block.__class__ = EncoderBlock
    inputs, mask = _inputs()
    still = block(inputs, padding_mask=mask, training=False)
    np.testing.assert_array_equal(block(inputs, padding_mask=mask, training=False), still)
    assert np.abs(block(inputs, padding_mask=mask, training=True) - still).max() > 0.1
