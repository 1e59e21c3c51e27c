import numpy as np
import pytest
import tensorflow as tf
from scipy.stats import norm

from mtdnn_tf.modeling.closed_gradients import exact_gelu, exact_gelu_in_training, layer_norm, layer_norm_in_training

VALUES = np.concatenate([np.linspace(-6, 6, 241), [-1e4, -50.0, 50.0, 1e4]])


@pytest.mark.parametrize("gelu", [exact_gelu, exact_gelu_in_training])
def test_gelu_is_the_input_times_the_normal_distribution(gelu):
    np.testing.assert_allclose(gelu(tf.constant(VALUES, tf.float32)), VALUES * norm.cdf(VALUES), rtol=1e-6, atol=2e-6)


@pytest.mark.parametrize("in_graph", [True, False])
def test_gelus_gradient_is_the_derivative(in_graph):
    upstream = np.linspace(0.5, 2, len(VALUES))

    def gradient(inputs):
        with tf.GradientTape() as tape:
            tape.watch(inputs)
            outputs = exact_gelu_in_training(inputs)
        return tape.gradient(outputs, inputs, tf.constant(upstream, tf.float32))

    found = (tf.function(gradient) if in_graph else gradient)(tf.constant(VALUES, tf.float32))
    np.testing.assert_allclose(found, upstream * (norm.cdf(VALUES) + VALUES * norm.pdf(VALUES)), rtol=1e-5, atol=2e-6)


@pytest.mark.parametrize("dtype", [tf.float16, tf.bfloat16])
def test_gelu_in_half_precision_keeps_its_type_and_stays_finite(dtype):
    inputs = tf.cast(tf.constant(VALUES, tf.float32), dtype)
    with tf.GradientTape() as tape:
        tape.watch(inputs)
        outputs = exact_gelu_in_training(inputs)
    gradient = tape.gradient(outputs, inputs)
    assert outputs.dtype == gradient.dtype == dtype
    expected = norm.cdf(VALUES) + VALUES * norm.pdf(VALUES)
    np.testing.assert_allclose(tf.cast(gradient, tf.float64), expected, atol=0.02)


@pytest.mark.parametrize("epsilon", [1e-12, 0.5])
def test_layer_norm_and_its_gradients_are_those_of_keras(epsilon):
    generator = np.random.default_rng(0)
    rows, upstream = (tf.constant(generator.normal(size=(5, 8)), tf.float32) for _ in range(2))
    gamma, beta = (tf.constant(generator.normal(size=8), tf.float32) for _ in range(2))
    keras = tf.keras.layers.LayerNormalization(epsilon=epsilon)
    keras.build([5, 8])
    keras.set_weights([gamma, beta])
    with tf.GradientTape(persistent=True) as tape:
        tape.watch([rows, gamma, beta])
        outputs = layer_norm_in_training(rows, gamma, beta, tf.constant(epsilon))
        expected = keras(rows)
    np.testing.assert_allclose(outputs, expected, atol=1e-6)
    np.testing.assert_allclose(layer_norm(rows, gamma, beta, epsilon), expected, atol=1e-6)
    found = tape.gradient(outputs, [rows, gamma, beta], upstream)
    of_keras = tape.gradient(expected, [rows, keras.gamma, keras.beta], upstream)
    for gradient, expected_one in zip(found, of_keras):
        np.testing.assert_allclose(gradient, expected_one, atol=5e-6)
