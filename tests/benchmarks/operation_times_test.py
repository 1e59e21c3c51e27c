import pytest
import tensorflow as tf

from benchmarks.operation_times import MATRIX_PRODUCTS, operation_seconds, shares


def test_the_time_of_operations_is_counted_by_type():
    @tf.function(autograph=False)
    def multiply(matrix):
        return tf.linalg.matmul(matrix, matrix) + tf.random.uniform([8, 8])[0, 0]

    @tf.function(autograph=False)
    def chosen(matrix):
        return tf.switch_case(tf.constant(1), [lambda: matrix, lambda: multiply(matrix)])

    matrix = tf.random.stateless_uniform([600, 600], [0, 1])
    chosen(matrix)
    seconds = operation_seconds(lambda: [chosen(matrix).numpy() for _ in range(5)])
    assert any("MatMul" in name for name in seconds) and any("Random" in name for name in seconds)
    # Nor what is around the operations.
    assert not any("Case" in name or "Call" in name for name in seconds)
    parts = shares(seconds)
    assert sum(parts.values()) == pytest.approx(1.0)
    assert parts[MATRIX_PRODUCTS] > 0.5


def test_operations_are_put_into_groups():
    parts = shares({"_MklMatMul": 3.0, "ResourceApplyAdaMax": 2.0, "StatelessRandomUniformV2": 1.0, "Mul": 4.0})
    assert list(parts.values()) == [0.3, 0.2, 0.1, 0.0, 0.0, 0.4]
