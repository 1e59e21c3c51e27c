import numpy as np
import pytest
import tensorflow as tf
from scipy.special import log_softmax, softmax

from mtdnn_tf.distillation.losses import DistillationOptions, distilled_loss, gold_loss, mixture_weight
from mtdnn_tf.errors import UserError
from mtdnn_tf.tasks.task import Task

NLI = Task("nli", "classification", ("a", "b"), ("x", "y", "z"), ("accuracy",))
SCORE = Task("score", "regression", ("a", "b"), metrics=("pearson",))
LOGITS = np.random.default_rng(0).normal(size=(5, 3)).astype(np.float32)
TEACHER = np.log(softmax(np.random.default_rng(1).normal(size=(5, 3)), axis=-1)).astype(np.float32)

NO_QUERIES = tf.range(5)


def test_gold_loss_of_classification_is_cross_entropy():
    gold = np.array([0, 2, 1, 1, 0], np.float32)
    expected = -log_softmax(LOGITS, axis=-1)[np.arange(5), gold.astype(int)]
    np.testing.assert_allclose(gold_loss(NLI, tf.constant(LOGITS), tf.constant(gold), NO_QUERIES), expected, rtol=1e-5)


def test_losses_of_regression_are_squared_errors():
    outputs, gold = LOGITS[:, :1], np.array([0.0, 1.5, 5.0, -1.0, 2.0], np.float32)
    expected = (outputs[:, 0] - gold) ** 2
    np.testing.assert_allclose(
        gold_loss(SCORE, tf.constant(outputs), tf.constant(gold), NO_QUERIES), expected, rtol=1e-5
    )
    distilled = distilled_loss(
        SCORE, tf.constant(outputs), tf.constant(gold[:, None]), NO_QUERIES, DistillationOptions()
    )
    np.testing.assert_allclose(distilled, expected, rtol=1e-5)


@pytest.mark.parametrize("temperature", [1.0, 2.5])
def test_distilled_losses_of_classification(temperature):
    soft = softmax(TEACHER / temperature, axis=-1)
    log_student = log_softmax(LOGITS / temperature, axis=-1)
    cross_entropy = -(soft * log_student).sum(-1) * temperature**2
    entropy = -(soft * np.log(soft)).sum(-1) * temperature**2
    centred = (LOGITS - LOGITS.mean(-1, keepdims=True)) - (TEACHER - TEACHER.mean(-1, keepdims=True))
    expected = {"cross_entropy": cross_entropy, "kl": cross_entropy - entropy, "mse": (centred**2).mean(-1)}
    for loss, values in expected.items():
        options = DistillationOptions(temperature=temperature, loss=loss)
        computed = distilled_loss(NLI, tf.constant(LOGITS), tf.constant(TEACHER), NO_QUERIES, options)
        np.testing.assert_allclose(computed, values, rtol=1e-4, atol=1e-6)


def test_mean_squared_error_does_not_see_a_constant_added_to_all_logits():
    options = DistillationOptions(loss="mse")
    plain = distilled_loss(NLI, tf.constant(LOGITS), tf.constant(TEACHER), NO_QUERIES, options)
    moved = distilled_loss(NLI, tf.constant(LOGITS + 7.0), tf.constant(TEACHER), NO_QUERIES, options)
    np.testing.assert_allclose(plain, moved, atol=1e-5)


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
    "fields", [{"weight": 1.5}, {"weight": float("nan")}, {"temperature": 0.0}, {"loss": "ce"}, {"schedule": "cosine"}]
)
def test_options_out_of_range_are_refused(fields):
    with pytest.raises(UserError):
        DistillationOptions(**fields)
