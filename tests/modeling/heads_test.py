import dataclasses

import numpy as np
import pytest
import tensorflow as tf

from mtdnn_tf.modeling.heads import LinearHead, build_head, choose_heads
from mtdnn_tf.modeling.san_head import SanHead
from mtdnn_tf.tasks.task import Task

TASK = Task("mood", "classification", ("text",), ("bad", "so", "good"), ("accuracy",), dropout=0.5)
ENCODED = {"pooled_output": tf.constant(np.random.default_rng(0).normal(size=(4, 8)).astype(np.float32))}


def test_logits_are_a_linear_map_of_the_pooled_output():
    head = build_head(TASK, seed=1)
    logits = head(ENCODED, training=False).numpy()
    kernel, bias = head.logits.get_weights()
    np.testing.assert_allclose(logits, ENCODED["pooled_output"].numpy() @ kernel + bias, rtol=1e-5)
    assert logits.shape == (4, 3)


def test_dropout_is_the_tasks():
    tf.keras.utils.set_random_seed(0)
    head = LinearHead(1, dropout=0.5)
    encoded = {"pooled_output": tf.ones((1000, 64))}
    head(encoded)
    head.logits.kernel.assign(tf.ones_like(head.logits.kernel))
    outputs = head(encoded, training=True).numpy()
    # The kept half of 64 ones is scaled by 2: mean 64, variance 64.
    assert abs(outputs.mean() - 64) < 2
    assert 50 < outputs.var() < 80
    assert (head(encoded, training=False).numpy() == 64).all()


def test_initial_weights_depend_on_seed_and_name_alone():
    def kernel(task, seed):
        head = build_head(task, seed)
        head(ENCODED)
        return head.logits.kernel.numpy()

    other = Task("other", "classification", ("text",), ("bad", "so", "good"), ("accuracy",))
    first = kernel(TASK, 1)
    kernel(other, 1)
    np.testing.assert_array_equal(kernel(TASK, 1), first)
    assert (kernel(TASK, 2) != first).any()
    assert (kernel(other, 1) != first).any()
    assert np.abs(first).max() <= 0.04 + 1e-6  # Two standard deviations of 0.02.


@pytest.mark.parametrize(
    ("pair_head", "examples", "heads"),
    [
        ("auto", {"large": 10_000, "small": 9_999}, "san linear linear san linear"),
        ("auto", {"large": 400_000}, "linear linear linear linear linear"),
        ("linear", {"large": 400_000, "small": 10}, "linear linear linear linear linear"),
        ("san", {"small": 10}, "san san linear san linear"),
    ],
)
def test_san_is_chosen_for_large_pair_classification_trained_with_others(pair_head, examples, heads):
    large = Task("large", "classification", ("a", "b"), ("x", "y"), ("accuracy",))
    tasks = [
        large,
        dataclasses.replace(large, name="small"),
        dataclasses.replace(large, name="single", text=("a",)),
        dataclasses.replace(large, name="diagnostic", head_of="large"),
        Task("score", "regression", ("a", "b"), metrics=("pearson",)),
    ]
    assert [task.head for task in choose_heads(tasks, examples, pair_head)] == heads.split()


def test_a_declared_head_stays():
    task = Task("nli", "classification", ("a", "b"), ("x", "y"), ("accuracy",), head="linear")
    assert choose_heads([task], {"nli": 10}, "san") == [task]
    assert isinstance(build_head(dataclasses.replace(task, head="san"), 0), SanHead)
    assert isinstance(build_head(dataclasses.replace(task, head="auto"), 0), LinearHead)
