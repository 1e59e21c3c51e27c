import numpy as np
import tensorflow as tf

from mtdnn_tf.kinds.regression import Regression
from mtdnn_tf.tasks.task import Task

SCORE = Task("score", "regression", ("a", "b"), metrics=("pearson",))


def test_losses_are_squared_errors_at_any_temperature():
    outputs = np.random.default_rng(0).normal(size=(5, 1)).astype(np.float32)
    gold = np.array([[0.0], [1.5], [5.0], [-1.0], [2.0]], np.float32)
    expected = (outputs - gold)[:, 0] ** 2
    regression, queries = Regression(), tf.range(5)
    np.testing.assert_allclose(regression.gold_loss(SCORE, outputs, gold, queries), expected, rtol=1e-5)
    np.testing.assert_allclose(regression.distilled_loss(outputs, gold, queries, "kl", 2.0), expected, rtol=1e-5)
