import numpy as np
import pytest
import tensorflow as tf

from mtdnn_tf.errors import UserError
from mtdnn_tf.modeling.checkpoints.backbones import find_backbone
from mtdnn_tf.modeling.multi_task_model import build_multi_task_model
from mtdnn_tf.tasks.task import Task
from mtdnn_tf.training.optimization.layer_decay import decay_rates
from mtdnn_tf.training.optimization.optimizers import build_optimizer, decayed_variables
from mtdnn_tf.training.optimization.schedule import LinearWarmupDecay

TASK = Task("mood", "classification", ("text",), ("bad", "good"), ("accuracy",))
# Of the encoder of two layers, by the start of a variable's name.
RATES = {
    "embeddings": 0.5**4,
    "encoder.layer.0.": 0.5**3,
    "encoder.layer.1.": 0.5**2,
    "pooler": 0.5,
}


def _expected_rates(model):
    names = {id(variable): name for name, variable in model.backbone.named.items()}
    return [
        next((rate for start, rate in RATES.items() if names.get(id(variable), "").startswith(start)), 1.0)
        for variable in model.trainable_variables
    ]


@pytest.mark.parametrize("name", ["adamax", "adamw"])
def test_steps_are_those_of_a_formula_with_a_rate_for_each_layer(name):
    model = build_multi_task_model(find_backbone("tiny"), [TASK])
    variables, rates = model.trainable_variables, _expected_rates(model)
    assert sorted(set(rates)) == [0.0625, 0.125, 0.25, 0.5, 1.0]
    optimizer = build_optimizer(name, LinearWarmupDecay(0.01, 10, 0), model)
    decay_rates(optimizer, model, 0.5)
    decayed = {id(v) for v in decayed_variables(model)[0]}
    generator = np.random.default_rng(0)
    expected = [variable.numpy().astype(np.float64) for variable in variables]
    first, second = [np.zeros_like(array) for array in expected], [np.zeros_like(array) for array in expected]

    @tf.function
    def apply(gradients):
        optimizer.apply_gradients(zip(gradients, variables))

    for step in (1, 2, 3):
        gradients = [generator.normal(size=variable.shape).astype(np.float32) for variable in variables]
        apply([tf.constant(gradient) for gradient in gradients])
        for index, (gradient, rate) in enumerate(zip(gradients, rates)):
            rate *= 0.01 * (1 - (step - 1) / 10)
            first[index] = 0.9 * first[index] + 0.1 * gradient
            if name == "adamax":
                second[index] = np.maximum(0.999 * second[index], np.abs(gradient))
                expected[index] -= rate / (1 - 0.9**step) * first[index] / (second[index] + 1e-7)
            else:
                if id(variables[index]) in decayed:
                    expected[index] -= expected[index] * 0.01 * rate
                second[index] = 0.999 * second[index] + 0.001 * gradient.astype(np.float64) ** 2
                scale = rate * np.sqrt(1 - 0.999**step) / (1 - 0.9**step)
                expected[index] -= scale * first[index] / (np.sqrt(second[index]) + 1e-6)
    for variable, array in zip(variables, expected):
        np.testing.assert_allclose(variable.numpy(), array, atol=2e-6)


def test_an_optimizer_without_rates_is_refused():
    model = build_multi_task_model(find_backbone("tiny"), [TASK])
    optimizer = tf.keras.optimizers.legacy.Adam(0.1)
    decay_rates(optimizer, model, 1.0)
    with pytest.raises(UserError, match="`layer_decay` goes with `optimizer=adamax` or adamw"):
        decay_rates(optimizer, model, 0.9)
