import numpy as np
import pytest
import tensorflow as tf

from mtdnn_tf.modeling.dropout import Dropout, SixteenBitDropout, drop, generator_seeds


def _dropout(rate, seed=1):
    """Returns a function from inputs to what is left of them."""
    dropout = SixteenBitDropout(rate, seed)
    return lambda inputs: drop(inputs, dropout.dropped, dropout.reserve(tf.size(inputs)))


@pytest.mark.parametrize("rate", [0.1, 0.5, 0.9])
def test_the_rate_is_dropped_and_the_mean_kept(rate):
    count = 400_003  # Not a multiple of the four numbers of a draw.
    outputs = _dropout(rate)(tf.fill([count], 3.0)).numpy()
    spread = np.sqrt(rate * (1 - rate))
    for lane in range(4):
        dropped = np.mean(outputs[lane::4] == 0)
        assert abs(dropped - rate) < 5 * spread / np.sqrt(count / 4)
    np.testing.assert_allclose(outputs[outputs != 0], 3.0 / (1 - rate), rtol=1e-4)


def test_places_are_dropped_independently():
    rate = 0.3
    dropped = _dropout(rate)(tf.ones([1000, 400])).numpy() == 0
    for distance in range(1, 9):
        together = np.mean(dropped[:, distance:] & dropped[:, :-distance])
        assert abs(together - rate**2) < 5 * rate / np.sqrt(dropped.size)
    assert abs(np.mean(dropped[1:] & dropped[:-1]) - rate**2) < 5 * rate / np.sqrt(dropped.size)


def test_scale_and_rate_are_those_of_sixteen_bits():
    kept = _dropout(0.1)(tf.ones([100, 100])).numpy().max()
    assert kept == np.float32(65536 / (65536 - 6554))


def test_calls_differ_and_the_same_start_draws_the_same():
    dropout, inputs = SixteenBitDropout(0.5, 1), tf.ones([7, 5, 3])
    first, second = dropout.reserve(tf.size(inputs)), dropout.reserve(tf.size(inputs))
    masks = [drop(inputs, dropout.dropped, start).numpy() for start in (first, second, first)]
    assert np.any(masks[0] != masks[1])
    np.testing.assert_array_equal(masks[0], masks[2])


def test_draws_and_state_are_those_of_the_generator():
    dropout, generator = SixteenBitDropout(0.5, 3), tf.random.Generator.from_seed(3)
    for size in (1, 10, 203):
        drawn = generator.uniform_full_int([(size + 3) // 4], tf.uint64).numpy().view(np.uint16)[:size]
        found = drop(tf.ones([size]), dropout.dropped, dropout.reserve(tf.constant(size)))
        np.testing.assert_array_equal(found.numpy() > 0, drawn >= 2**15)
        np.testing.assert_array_equal(dropout.generator.state, generator.state)


def test_replicas_draw_what_the_generator_draws_for_each():
    strategy = tf.distribute.OneDeviceStrategy("/cpu:0")
    with strategy.scope():
        dropout, generator = SixteenBitDropout(0.5, 3), tf.random.Generator.from_seed(3)
    drawn = strategy.run(lambda: generator.uniform_full_int([25], tf.uint64)).numpy().view(np.uint16)
    found = strategy.run(lambda: drop(tf.ones([100]), dropout.dropped, dropout.reserve(tf.constant(100))))
    np.testing.assert_array_equal(found.numpy() > 0, drawn >= 2**15)
    alone = _dropout(0.5, 3)(tf.ones([100]))
    assert np.any(found.numpy() != alone.numpy())


def test_keras_draws_the_same_seeds_and_numbers():
    tf.keras.utils.set_random_seed(9)
    tf.keras.backend.experimental.enable_tf_random_generator()
    seeds, inputs = generator_seeds(9), tf.ones([40, 5])
    for rate in (0.3, 0.6):
        expected = tf.keras.layers.Dropout(rate)(inputs, training=True)
        np.testing.assert_array_equal(Dropout(rate, next(seeds))(inputs, training=True), expected)


def test_the_gradient_passes_where_the_input_does():
    dropout, inputs = _dropout(0.5), tf.ones([50, 4])
    with tf.GradientTape() as tape:
        tape.watch(inputs)
        outputs = dropout(inputs)
    np.testing.assert_array_equal(tape.gradient(outputs, inputs), outputs)


@pytest.mark.parametrize("training", [False, None])
def test_nothing_is_dropped_outside_training(training):
    inputs = tf.random.normal([3, 5], seed=0)
    np.testing.assert_array_equal(Dropout(0.5, 1)(inputs, training=training), inputs)


@pytest.mark.parametrize("rate", [0.0, 1e-6, 0.999999])
def test_rates_at_the_ends_stay_finite(rate):
    outputs = _dropout(rate)(tf.ones([1000])).numpy()
    assert np.isfinite(outputs).all()
    assert np.mean(outputs == 0) == pytest.approx(rate, abs=0.01)
