import numpy as np
import pytest
import tensorflow as tf
from scipy.stats import norm

from mtdnn_tf.modeling.backbone import EPSILON, GELU
from mtdnn_tf.modeling.checkpoints.backbones import find_backbone
from mtdnn_tf.modeling.encoder_block import (
    ACTIVATIONS,
    exact_gelu_in_training,
    layer_norm_in_training,
    normalize,
)
from mtdnn_tf.modeling.multi_task_model import MultiTaskModel, build_multi_task_model
from mtdnn_tf.tasks.task import Task

VALUES = np.concatenate([np.linspace(-6, 6, 241), [-1e4, -50.0, 50.0, 1e4]])
TASK = Task("mood", "classification", ("text",), ("bad", "good"), ("accuracy",))
INPUTS = {
    "token_ids": tf.constant(np.random.default_rng(0).integers(5, 90, (4, 12)), tf.int32),
    "segment_ids": tf.zeros((4, 12), tf.int32),
    "padding_mask": tf.constant(np.arange(12) < np.array([[12], [5], [9], [2]])),
}


@pytest.mark.parametrize("gelu", [ACTIVATIONS[GELU], exact_gelu_in_training])
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
    if epsilon == EPSILON:
        weights = {"norm.weight": gamma, "norm.bias": beta}
        np.testing.assert_allclose(normalize(rows, weights, "norm", training=False), expected, atol=1e-6)
    found = tape.gradient(outputs, [rows, gamma, beta], upstream)
    of_keras = tape.gradient(expected, [rows, keras.gamma, keras.beta], upstream)
    for gradient, expected_one in zip(found, of_keras):
        np.testing.assert_allclose(gradient, expected_one, atol=5e-6)


def _model(recompute: bool, precision: str = "float32") -> MultiTaskModel:
    model = build_multi_task_model(find_backbone("tiny"), [TASK], 0.3, 3, precision, recompute)
    for variable in model.trainable_variables:
        variable.assign(variable * 5.0)
    return model


def _steps(model, layer_calls=None):
    """Returns outputs, gradients and the generators' states after each of two steps in one graph."""

    @tf.function
    def step():
        with tf.GradientTape() as tape:
            logits = model.task_logits(INPUTS, "mood", training=True)
            loss = tf.reduce_sum(logits * [[1.0, -2.0]])
        return logits, tape.gradient(loss, model.trainable_variables)

    results = []
    for _ in range(2):
        logits, gradients = step()
        states = [generator.state.numpy() for generator in model.generators]
        results.append((logits.numpy(), [tf.convert_to_tensor(g).numpy() for g in gradients], states))
    return results


def test_gradients_and_generators_are_those_of_kept_activations():
    kept, recomputed = _steps(_model(False)), _steps(_model(True))
    assert np.abs(kept[0][0] - kept[1][0]).max() > 1e-3  # Dropout is on.
    assert len(kept[0][2]) > 6
    for one, other in zip(kept, recomputed):
        np.testing.assert_allclose(one[0], other[0], atol=1e-6)
        assert sum(np.abs(gradient).max() > 1e-3 for gradient in one[1]) > 30
        for first, second in zip(one[1], other[1]):
            np.testing.assert_allclose(first, second, rtol=1e-6, atol=5e-6)
        for first, second in zip(one[2], other[2]):
            np.testing.assert_array_equal(first, second)


def test_only_a_blocks_inputs_are_kept():
    """The graph of the forward pass hands the backward pass no activation of the width of the feed-forward layer."""
    wide = find_backbone("tiny").config.intermediate_dim

    def kept(recompute):
        network = _model(recompute)

        @tf.function(autograph=False)
        def step(inputs):
            with tf.GradientTape() as tape:
                loss = tf.reduce_sum(network.task_logits(inputs, "mood", training=True))
            return tape.gradient(loss, network.trainable_variables)

        specs = {name: tf.TensorSpec([4, 12], tf.int32) for name in INPUTS}
        calls = [op for op in step.get_concrete_function(specs).graph.get_operations() if "PartitionedCall" in op.type]
        return [output for op in calls for output in op.outputs if output.shape.as_list() == [48, wide]]

    assert kept(False) and not kept(True)


@pytest.mark.parametrize("precision", ["float32", "mixed_bfloat16"])
def test_recomputation_leaves_inference_as_it_is(precision):
    one, other = (_model(recompute, precision).task_logits(INPUTS, "mood").numpy() for recompute in (False, True))
    np.testing.assert_array_equal(one, other)
