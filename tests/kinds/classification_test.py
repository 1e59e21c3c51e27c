import numpy as np
import pytest
import tensorflow as tf
from scipy.special import log_softmax, softmax

from mtdnn_tf.kinds.classification import Classification
from mtdnn_tf.tasks.task import Task

CLASSIFICATION = Classification()
NLI = Task("nli", "classification", ("a", "b"), ("x", "y", "z"), ("accuracy",))
LOGITS = np.random.default_rng(0).normal(size=(5, 3)).astype(np.float32)
TEACHER = np.log(softmax(np.random.default_rng(1).normal(size=(5, 3)), axis=-1)).astype(np.float32)
NO_QUERIES = tf.range(5)


def test_gold_loss_of_classification_is_cross_entropy():
    gold = np.array([0, 2, 1, 1, 0], np.float32)
    expected = -log_softmax(LOGITS, axis=-1)[np.arange(5), gold.astype(int)]
    np.testing.assert_allclose(
        CLASSIFICATION.gold_loss(NLI, tf.constant(LOGITS), tf.constant(gold[:, None]), NO_QUERIES), expected, rtol=1e-5
    )


@pytest.mark.parametrize("temperature", [1.0, 2.5])
def test_distilled_losses_of_classification(temperature):
    soft = softmax(TEACHER / temperature, axis=-1)
    log_student = log_softmax(LOGITS / temperature, axis=-1)
    cross_entropy = -(soft * log_student).sum(-1) * temperature**2
    entropy = -(soft * np.log(soft)).sum(-1) * temperature**2
    centred = (LOGITS - LOGITS.mean(-1, keepdims=True)) - (TEACHER - TEACHER.mean(-1, keepdims=True))
    expected = {"cross_entropy": cross_entropy, "kl": cross_entropy - entropy, "mse": (centred**2).mean(-1)}
    for loss, values in expected.items():
        computed = CLASSIFICATION.distilled_loss(
            tf.constant(LOGITS), tf.constant(TEACHER), NO_QUERIES, loss, temperature
        )
        np.testing.assert_allclose(computed, values, rtol=1e-4, atol=1e-6)


def test_mean_squared_error_does_not_see_a_constant_added_to_all_logits():
    plain = CLASSIFICATION.distilled_loss(tf.constant(LOGITS), tf.constant(TEACHER), NO_QUERIES, "mse")
    moved = CLASSIFICATION.distilled_loss(tf.constant(LOGITS + 7.0), tf.constant(TEACHER), NO_QUERIES, "mse")
    np.testing.assert_allclose(plain, moved, atol=1e-5)
