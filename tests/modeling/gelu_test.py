import numpy as np
import pytest
import tensorflow as tf
from scipy.stats import norm

from mtdnn_tf.modeling.gelu import exact_gelu, exact_gelu_in_training

VALUES = np.concatenate([np.linspace(-6, 6, 241), [-1e4, -50.0, 50.0, 1e4]])


@pytest.mark.parametrize("gelu", [exact_gelu, exact_gelu_in_training])
def test_it_is_the_input_times_the_normal_distribution(gelu):
    np.testing.assert_allclose(gelu(tf.constant(VALUES, tf.float32)), VALUES * norm.cdf(VALUES), rtol=1e-6, atol=2e-6)


@pytest.mark.parametrize("in_graph", [True, False])
def test_the_closed_gradient_is_the_derivative(in_graph):
    upstream = np.linspace(0.5, 2, len(VALUES))

    def gradient(inputs):
        with tf.GradientTape() as tape:
            tape.watch(inputs)
            outputs = exact_gelu_in_training(inputs)
        return tape.gradient(outputs, inputs, tf.constant(upstream, tf.float32))

    found = (tf.function(gradient) if in_graph else gradient)(tf.constant(VALUES, tf.float32))
    np.testing.assert_allclose(found, upstream * (norm.cdf(VALUES) + VALUES * norm.pdf(VALUES)), rtol=1e-5, atol=2e-6)


@pytest.mark.parametrize("dtype", [tf.float16, tf.bfloat16])
def test_half_precision_keeps_its_type_and_stays_finite(dtype):
    inputs = tf.cast(tf.constant(VALUES, tf.float32), dtype)
    with tf.GradientTape() as tape:
        tape.watch(inputs)
        outputs = exact_gelu_in_training(inputs)
    gradient = tape.gradient(outputs, inputs)
    assert outputs.dtype == gradient.dtype == dtype
    expected = norm.cdf(VALUES) + VALUES * norm.pdf(VALUES)
    np.testing.assert_allclose(tf.cast(gradient, tf.float64), expected, atol=0.02)
