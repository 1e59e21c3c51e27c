import contextlib
import gc
import weakref

import numpy as np
import pytest
import tensorflow as tf

from mtdnn_tf.modeling.backbones import find_backbone
from mtdnn_tf.modeling.gradient_registry import forgotten_gradients
from mtdnn_tf.modeling.multi_task_model import build_multi_task_model
from mtdnn_tf.tasks.task import Task

_TASK = Task("mood", "classification", ("text",), ("bad", "good"), ("accuracy",))
_INPUTS = {
    "token_ids": tf.constant([[2, 10, 11, 3]]),
    "segment_ids": tf.zeros((1, 4), tf.int32),
    "padding_mask": tf.ones((1, 4), tf.int32),
}


def _differentiated_graph() -> weakref.ref:
    """Returns the graph of a training's gradients, of which nothing else is left."""
    model = build_multi_task_model(find_backbone("tiny"), [_TASK])

    @tf.function(autograph=False)
    def gradient():
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(model.task_logits(_INPUTS, "mood", training=True))
        return tape.gradient(loss, model.trainable_variables)[-1]

    assert np.isfinite(gradient().numpy()).all()
    return weakref.ref(gradient.get_concrete_function().graph)


@pytest.mark.parametrize("scope, stays", [(contextlib.nullcontext, True), (forgotten_gradients, False)])
def test_a_training_leaves_no_graph_behind(scope, stays):
    with scope():
        graph = _differentiated_graph()
    gc.collect()
    assert (graph() is not None) == stays


def test_gradients_of_before_are_kept():
    outer = tf.custom_gradient(lambda x: (x * x, lambda upstream: 7.0 * upstream))
    function = tf.function(lambda x: outer(x), autograph=False)
    function(tf.constant(3.0))
    with forgotten_gradients():
        _differentiated_graph()
    x = tf.constant(3.0)
    with tf.GradientTape() as tape:
        tape.watch(x)
        value = function(x)
    assert tape.gradient(value, x).numpy() == 7.0
