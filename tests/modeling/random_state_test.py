import numpy as np
import tensorflow as tf

from mtdnn_tf.modeling.backbones import find_backbone
from mtdnn_tf.modeling.multi_task_model import build_multi_task_model
from mtdnn_tf.modeling.random_state import dropout_generators
from mtdnn_tf.tasks.task import Task

TASK = Task("mood", "classification", ("text",), ("bad", "good"), ("accuracy",))
INPUTS = {
    "token_ids": tf.constant([[2, 10, 11, 3]]),
    "segment_ids": tf.constant([[0, 0, 0, 0]]),
    "padding_mask": tf.constant([[1, 1, 1, 1]]),
}


def test_the_generators_states_are_all_that_dropout_depends_on():
    model = build_multi_task_model(find_backbone("tiny"), [TASK], dropout=0.5)
    generators = dropout_generators(model)
    # Embeddings, attention scores, attention output and feed-forward output of 2 blocks, and the head.
    assert len(generators) == 1 + 3 * 2 + 1
    states = [generator.state.numpy() for generator in generators]
    first = model.task_logits(INPUTS, "mood", training=True).numpy()
    second = model.task_logits(INPUTS, "mood", training=True).numpy()
    for generator, state in zip(generators, states):
        generator.state.assign(state)
    again = model.task_logits(INPUTS, "mood", training=True).numpy()
    assert (first != second).any()
    np.testing.assert_array_equal(first, again)
