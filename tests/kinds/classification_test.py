import dataclasses

import numpy as np
import pytest
import tensorflow as tf
from scipy.special import log_softmax, softmax
from sklearn.utils.class_weight import compute_class_weight, compute_sample_weight

from mtdnn_tf.errors import UserError
from mtdnn_tf.kinds.classification import Classification
from mtdnn_tf.tasks.task import Task, TfdsData

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


def test_balanced_class_weights_are_scikit_learns_and_1_on_average():
    task = dataclasses.replace(NLI, class_weights="balanced")
    labels = np.array([0, 0, 2, 0, 1, -1, 2, 0], np.int32)
    gold, has_gold = CLASSIFICATION.gold(task, labels)
    known = labels[labels >= 0]
    assert has_gold.tolist() == (labels >= 0).tolist()
    np.testing.assert_array_equal(gold[has_gold, 0], known)
    np.testing.assert_allclose(gold[has_gold, 1], compute_sample_weight("balanced", known))
    assert gold[has_gold, 1].mean() == pytest.approx(1.0)
    assert dict(map(tuple, gold[has_gold])) == pytest.approx(
        dict(enumerate(compute_class_weight("balanced", classes=np.arange(3), y=known)))
    )


def test_class_weights_multiply_the_gold_loss_and_not_the_distilled_one():
    labels = np.array([0, 2, 1, 1, 0], np.int32)
    given = dataclasses.replace(NLI, class_weights=(0.5, 2.0, 3.0))
    weighted, plain = (
        CLASSIFICATION.gold_loss(
            task, LOGITS, CLASSIFICATION.gold(task, labels)[0].astype(np.float32).reshape(5, -1), NO_QUERIES
        )
        for task in (given, NLI)
    )
    np.testing.assert_allclose(weighted, plain * np.array([0.5, 3.0, 2.0, 2.0, 0.5]), rtol=1e-6)
    assert CLASSIFICATION.gold(NLI, labels)[0].shape == (5,)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"class_weights": "even"}, "unknown class_weights of task nli 'even'. Accepted: balanced"),
        ({"class_weights": (1.0, 2.0)}, "class_weights must have one value for each of 3 labels, got 2"),
        ({"class_weights": (1.0, 0.0, 1.0)}, "must be 'balanced' or numbers above 0, got .1.0, 0.0, 1.0."),
        ({"class_weights": (1.0, float("nan"), 1.0)}, "numbers above 0"),
        (
            {"class_weights": "balanced", "kind": "regression", "labels": (), "metrics": ("pearson",)},
            "task nli: class_weights needs kind classification, got kind regression",
        ),
        (
            {"class_weights": (1.0, 2.0), "kind": "ranking", "labels": ("0", "1"), "metrics": ("mrr",)},
            "task nli: class_weights needs kind classification, got kind ranking",
        ),
        ({"class_weights": "balanced", "kind": "multi_label", "metrics": ("f1_micro",)}, "got kind multi_label"),
    ],
)
def test_other_class_weights_are_refused(fields, message):
    with pytest.raises(UserError, match=message):
        dataclasses.replace(NLI, **fields)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        (
            {"kind": "ranking", "labels": ("0", "1"), "metrics": ("mrr",)},
            "weight needs a kind whose rows are learned one by one, got kind ranking",
        ),
        ({"tfds": TfdsData("glue/mnli", ("premise", "hypothesis"))}, "weight is a column of files, and data of tfds"),
    ],
)
def test_weights_of_rows_that_cannot_be_used_are_refused(fields, message):
    with pytest.raises(UserError, match=message):
        dataclasses.replace(NLI, weight="importance", **fields)
