import importlib.util

import numpy as np
import pytest
import tensorflow as tf

from mtdnn_tf.errors import UserError
from mtdnn_tf.modeling.checkpoints.backbones import find_backbone
from mtdnn_tf.modeling.multi_task_model import build_multi_task_model
from mtdnn_tf.tasks.task import Task
from mtdnn_tf.training.optimization.optimizers import LinearWarmupDecay, build_optimizer, decay_rates, decayed_variables

TASK = Task("mood", "classification", ("text",), ("bad", "good"), ("accuracy",))


@pytest.fixture
def model():
    return build_multi_task_model(find_backbone("tiny"), [TASK])


def test_weight_decay_spares_layer_norm_and_biases(model):
    decayed, spared = decayed_variables(model)
    names = {id(variable): name for name, variable in model.backbone.named.items()}
    # 2 blocks: 6 matrices each; 3 embedding tables; the pooler; the head, whose variables the table does not name.
    assert sorted(names[id(v)] for v in decayed if id(v) in names) == sorted(
        name for name in names.values() if name.endswith(".weight") and "LayerNorm" not in name
    )
    assert len(decayed) == 2 * 6 + 3 + 1 + 1
    assert len(spared) == 2 * (6 + 4) + 2 + 1 + 1


def test_adamw_with_no_gradient_shrinks_the_decayed_alone(model):
    for variable in model.trainable_variables:
        variable.assign(tf.ones_like(variable))
    optimizer = build_optimizer("adamw", 0.1, model)
    optimizer.apply_gradients((tf.zeros_like(v), v) for v in model.trainable_variables)
    decayed, spared = decayed_variables(model)
    for variable in decayed:
        np.testing.assert_allclose(variable.numpy(), 1.0 - 0.1 * 0.01, rtol=1e-6)
    for variable in spared:
        np.testing.assert_array_equal(variable.numpy(), 1.0)


def test_adamax_step_equals_its_formula(model):
    head = model.heads["mood"].logits.kernel
    before, gradient = head.numpy(), np.random.default_rng(0).normal(size=head.shape).astype(np.float32)
    optimizer = build_optimizer("adamax", 0.01, model)
    moment, bound, expected = 0.0, 0.0, before.astype(np.float64)
    for step in (1, 2, 3):
        scaled = gradient * step
        pairs = [(tf.constant(scaled) if v is head else tf.zeros_like(v), v) for v in model.trainable_variables]
        optimizer.apply_gradients(pairs)
        moment = 0.9 * moment + 0.1 * scaled
        bound = np.maximum(0.999 * bound, np.abs(scaled))
        expected = expected - 0.01 / (1 - 0.9**step) * moment / (bound + 1e-7)
    np.testing.assert_allclose(head.numpy(), expected, atol=1e-6)


@pytest.mark.parametrize("name", ["lamb", "lazyadam", "radam"])
def test_optimizers_of_tensorflow_addons(model, name):
    if importlib.util.find_spec("tensorflow_addons") is None:
        with pytest.raises(UserError, match="needs tensorflow-addons, which is not installed"):
            build_optimizer(name, 0.1, model)
        return
    before = [v.numpy() for v in model.trainable_variables]
    optimizer = build_optimizer(name, 0.1, model)
    optimizer.apply_gradients((tf.ones_like(v), v) for v in model.trainable_variables)
    assert all((v.numpy() != old).any() for v, old in zip(model.trainable_variables, before))


def test_an_unknown_optimizer_is_refused(model):
    with pytest.raises(UserError, match="did you mean 'adamax'"):
        build_optimizer("adamx", 0.1, model)


def _rates(schedule, steps):
    return [float(schedule(tf.constant(step, tf.int64))) for step in range(steps)]


def test_the_rate_rises_to_the_peak_and_falls_to_nothing():
    rates = _rates(LinearWarmupDecay(2.0, total_steps=20, warmup_steps=4), 21)
    np.testing.assert_allclose(rates[:4], [0.5, 1.0, 1.5, 2.0])
    np.testing.assert_allclose(rates[4:], [2.0 * (20 - step) / 16 for step in range(4, 21)], rtol=1e-6)


def test_the_rate_without_warm_up_starts_at_the_peak():
    np.testing.assert_allclose(_rates(LinearWarmupDecay(1.0, 4, 0), 5), [1.0, 0.75, 0.5, 0.25, 0.0])


def test_the_schedule_is_rebuilt_from_its_config():
    schedule = LinearWarmupDecay(3e-5, 100, 10)
    again = LinearWarmupDecay.from_config(schedule.get_config())
    assert _rates(again, 100) == _rates(schedule, 100)


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
    with pytest.raises(UserError, match=r"`layer_decay=0\.9` needs `optimizer=adamax` or adamw"):
        decay_rates(optimizer, model, 0.9)
