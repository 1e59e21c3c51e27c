import numpy as np
import pytest
import tensorflow as tf

from mtdnn_tf.distillation.options import DistillationOptions, mixture_weight
from mtdnn_tf.errors import UserError


def test_mixture_weight_of_rows_without_gold_or_teacher():
    has_gold, has_teacher = [True, True, False, False], [True, False, True, False]
    weights = mixture_weight(tf.constant(0.3), tf.constant(has_gold), tf.constant(has_teacher))
    np.testing.assert_array_equal(weights, np.array([0.3, 0.0, 1.0, 0.0], np.float32))


def test_weight_schedules():
    constant, linear = DistillationOptions(0.3), DistillationOptions(1.0, schedule="linear")
    assert [float(constant.weight_at(step, 11)) for step in (0, 5, 10)] == pytest.approx([0.3, 0.3, 0.3])
    # Teacher annealing: the gold loss's weight is the share of the training that is done.
    assert [1 - float(linear.weight_at(step, 11)) for step in range(11)] == pytest.approx(np.arange(11) / 10)
    half = DistillationOptions(0.5, schedule="linear")
    assert [float(half.weight_at(step, 5)) for step in range(5)] == pytest.approx([0.5, 0.375, 0.25, 0.125, 0.0])
    # One step of training is the first; steps after the last are as the last.
    assert [float(half.weight_at(step, 1)) for step in (0, 1, 9)] == pytest.approx([0.5, 0.0, 0.0])


@pytest.mark.parametrize(
    "fields",
    [
        {"weight": 1.5},
        {"weight": float("nan")},
        {"temperature": 0.0},
        {"loss": "ce"},
        {"schedule": "cosine"},
        {"temperature": 2.0, "loss": "mse"},
    ],
)
def test_options_out_of_range_are_refused(fields):
    with pytest.raises(UserError):
        DistillationOptions(**fields)
