import numpy as np
import tensorflow as tf

from mtdnn_tf.training.optimization.schedule import LinearWarmupDecay


def _rates(schedule, steps):
    return [float(schedule(tf.constant(step, tf.int64))) for step in range(steps)]


def test_rises_to_the_peak_and_falls_to_nothing():
    rates = _rates(LinearWarmupDecay(2.0, total_steps=20, warmup_steps=4), 21)
    np.testing.assert_allclose(rates[:4], [0.5, 1.0, 1.5, 2.0])
    np.testing.assert_allclose(rates[4:], [2.0 * (20 - step) / 16 for step in range(4, 21)], rtol=1e-6)


def test_without_warm_up_starts_at_the_peak():
    np.testing.assert_allclose(_rates(LinearWarmupDecay(1.0, 4, 0), 5), [1.0, 0.75, 0.5, 0.25, 0.0])


def test_is_rebuilt_from_its_config():
    schedule = LinearWarmupDecay(3e-5, 100, 10)
    again = LinearWarmupDecay.from_config(schedule.get_config())
    assert _rates(again, 100) == _rates(schedule, 100)
