import numpy as np
import pytest
import tensorflow as tf

from mtdnn_tf.training.optimization.fused_optimizers import FusedAdamax, FusedAdamW

ROWS, WIDTH, STEPS = 11, 6, 50


def _variables():
    generator = np.random.default_rng(0)
    shapes = {"table": (ROWS, WIDTH), "kernel": (WIDTH, 4), "idle_head": (4, 2)}
    return [
        tf.Variable(generator.normal(0, 0.05, shape), dtype=tf.float32, name=name) for name, shape in shapes.items()
    ]


def _gradients(step):
    generator = np.random.default_rng(step + 1)
    table = generator.normal(size=(3, WIDTH)).astype(np.float32)
    rows = generator.choice(ROWS, 3, replace=False)
    # The head is of a task that has a batch at every tenth step.
    head = generator.normal(size=(4, 2)) * (step % 10 == 0)
    return [
        tf.IndexedSlices(tf.constant(table), tf.constant(rows), tf.constant([ROWS, WIDTH])),
        tf.constant(generator.normal(size=(WIDTH, 4)), tf.float32),
        tf.constant(head, tf.float32),
    ]


def _adamax(rate, variables):
    return FusedAdamax(rate)


def _keras_adamax(rate, variables):
    return tf.keras.optimizers.Adamax(rate)


def _adamw(rate, variables):
    return FusedAdamW(rate, weight_decay=0.01, epsilon=1e-6, decayed=[variables[0], variables[2]])


def _keras_adamw(rate, variables):
    optimizer = tf.keras.optimizers.AdamW(rate, weight_decay=0.01, epsilon=1e-6)
    optimizer.exclude_from_weight_decay(var_list=variables[1:2])
    return optimizer


def _train(build, rate):
    variables = _variables()
    optimizer = build(rate, variables)
    optimizer.build(variables)

    @tf.function
    def apply(gradients):
        optimizer.apply_gradients(zip(gradients, variables))

    for step in range(STEPS):
        apply(_gradients(step))
    return variables, optimizer


@pytest.mark.parametrize(
    ("fused", "of_keras", "atol", "slots_rtol"),
    # 1 - beta_2 is 0.00099999 in float32, in which Adam's kernel computes it.
    [(_adamax, _keras_adamax, 1e-7, 1e-5), (_adamw, _keras_adamw, 3e-7, 2e-5)],
)
def test_weights_and_slots_equal_those_of_keras_with_sparse_gradients_and_an_idle_head(
    fused, of_keras, atol, slots_rtol
):
    rate = tf.keras.optimizers.schedules.PolynomialDecay(1e-3, STEPS)
    ours, our_optimizer = _train(fused, rate)
    theirs, their_optimizer = _train(of_keras, rate)
    for one, other, first in zip(ours, theirs, _variables()):
        np.testing.assert_allclose(one, other, rtol=0, atol=atol)
        assert np.abs(one - first).max() > 1e-3
    slots, expected = our_optimizer.variables, their_optimizer.variables
    assert len(slots) == len(expected) == 1 + 2 * len(ours)
    for one, other in zip(slots, expected):
        np.testing.assert_allclose(one, other, rtol=slots_rtol, atol=1e-7)


def test_adamax_equals_its_formula_in_float64():
    ours, _ = _train(_adamax, 1e-3)
    for index, (variable, start) in enumerate(zip(ours, _variables())):
        value, moment, bound = start.numpy().astype(np.float64), 0.0, 0.0
        for step in range(STEPS):
            gradient = tf.convert_to_tensor(_gradients(step)[index]).numpy().astype(np.float64)
            moment = 0.9 * moment + 0.1 * gradient
            bound = np.maximum(0.999 * bound, np.abs(gradient))
            value = value - 1e-3 / (1 - 0.9 ** (step + 1)) * moment / (bound + 1e-7)
        np.testing.assert_allclose(variable.numpy(), np.asarray(value), rtol=0, atol=2e-6)


def test_adamw_equals_its_formula_in_float64():
    ours, _ = _train(_adamw, 1e-3)
    for index, (variable, start) in enumerate(zip(ours, _variables())):
        value, moment, square = start.numpy().astype(np.float64), 0.0, 0.0
        for step in range(STEPS):
            gradient = tf.convert_to_tensor(_gradients(step)[index]).numpy().astype(np.float64)
            moment = 0.9 * moment + 0.1 * gradient
            square = 0.999 * square + 0.001 * gradient**2
            rate = 1e-3 * np.sqrt(1 - 0.999 ** (step + 1)) / (1 - 0.9 ** (step + 1))
            value = value - 1e-3 * 0.01 * value * (index != 1) - rate * moment / (np.sqrt(square) + 1e-6)
        np.testing.assert_allclose(variable.numpy(), np.asarray(value), rtol=0, atol=2e-6)


def test_a_row_that_no_batch_has_named_stays_as_it_was():
    table = tf.Variable(tf.ones([3, 2]))
    optimizer = FusedAdamax(0.1)
    optimizer.build([table])
    optimizer.apply_gradients([(tf.IndexedSlices(tf.ones([1, 2]), tf.constant([1]), tf.constant([3, 2])), table)])
    np.testing.assert_allclose(table.numpy(), [[1.0, 1.0], [0.9, 0.9], [1.0, 1.0]], atol=1e-6)
