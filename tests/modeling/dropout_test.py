import numpy as np
import pytest
import tensorflow as tf

from mtdnn_tf.modeling.backbone import BackboneConfig, build_backbone
from mtdnn_tf.modeling.dropout import SixteenBitDropout


def _layer(rate, seed=0):
    tf.keras.backend.experimental.enable_tf_random_generator()
    layer = tf.keras.layers.Dropout(rate, seed=seed)
    layer.build([])
    layer.__class__ = SixteenBitDropout
    return layer


@pytest.mark.parametrize("rate", [0.1, 0.5, 0.9])
def test_the_rate_is_dropped_and_the_mean_kept(rate):
    count = 400_003  # Not a multiple of the four numbers of a draw.
    outputs = _layer(rate)(tf.fill([count], 3.0), training=True).numpy()
    spread = np.sqrt(rate * (1 - rate))
    for lane in range(4):
        dropped = np.mean(outputs[lane::4] == 0)
        assert abs(dropped - rate) < 5 * spread / np.sqrt(count / 4)
    np.testing.assert_allclose(outputs[outputs != 0], 3.0 / (1 - rate), rtol=1e-4)


def test_places_are_dropped_independently():
    rate = 0.3
    dropped = _layer(rate)(tf.ones([1000, 400]), training=True).numpy() == 0
    for distance in range(1, 9):
        together = np.mean(dropped[:, distance:] & dropped[:, :-distance])
        assert abs(together - rate**2) < 5 * rate / np.sqrt(dropped.size)
    assert abs(np.mean(dropped[1:] & dropped[:-1]) - rate**2) < 5 * rate / np.sqrt(dropped.size)


def test_scale_and_rate_are_those_of_sixteen_bits():
    kept = _layer(0.1)(tf.ones([100, 100]), training=True).numpy().max()
    assert kept == np.float32(65536 / (65536 - 6554))


def test_calls_differ_and_a_generator_set_back_draws_the_same():
    layer, inputs = _layer(0.5), tf.ones([7, 5, 3])
    generator = layer._random_generator._generator
    state = tf.identity(generator.state)
    first, second = layer(inputs, training=True), layer(inputs, training=True)
    assert np.any(first.numpy() != second.numpy())
    generator.state.assign(state)
    np.testing.assert_array_equal(layer(inputs, training=True), first)


def test_the_gradient_passes_where_the_input_does():
    layer, inputs = _layer(0.5), tf.ones([50, 4])
    with tf.GradientTape() as tape:
        tape.watch(inputs)
        outputs = layer(inputs, training=True)
    np.testing.assert_array_equal(tape.gradient(outputs, inputs), outputs)


@pytest.mark.parametrize("training", [False, None])
def test_nothing_is_dropped_outside_training(training):
    inputs = tf.random.normal([3, 5], seed=0)
    np.testing.assert_array_equal(_layer(0.5)(inputs, training=training), inputs)


@pytest.mark.parametrize("rate", [0.0, 1e-6, 0.999999])
def test_rates_at_the_ends_stay_finite(rate):
    outputs = _layer(rate)(tf.ones([1000]), training=True).numpy()
    assert np.isfinite(outputs).all()
    assert np.mean(outputs == 0) == pytest.approx(rate, abs=0.01)


def test_every_dropout_of_the_encoder_is_one():
    backbone = build_backbone(BackboneConfig(30, num_layers=2, num_heads=2, hidden_dim=8, intermediate_dim=16), 0.1)
    layers = [layer for layer in backbone._flatten_layers() if isinstance(layer, tf.keras.layers.Dropout)]
    assert len(layers) == 1 + 2 * 3
    assert {type(layer) for layer in layers} == {SixteenBitDropout}
