import numpy as np
import pytest
import tensorflow as tf

from mtdnn_tf.errors import UserError
from mtdnn_tf.modeling.checkpoints.backbones import find_backbone
from mtdnn_tf.modeling.multi_task_model import build_multi_task_model
from mtdnn_tf.tasks.task import Task

TASKS = [
    Task("mood", "classification", ("text",), ("bad", "good"), ("accuracy",)),
    Task("score", "regression", ("a", "b"), metrics=("pearson",)),
    Task("mood_too", "classification", ("text",), ("bad", "good"), ("accuracy",), head_of="mood"),
]
INPUTS = {
    "token_ids": tf.constant([[2, 10, 11, 3], [2, 12, 3, 0]]),
    "segment_ids": tf.zeros((2, 4), tf.int32),
    "padding_mask": tf.constant([[True] * 4, [True] * 3 + [False]]),
}


def test_is_functional_with_one_named_output_a_head():
    model = build_multi_task_model(find_backbone("tiny"), TASKS)
    assert {name: tuple(output.shape) for name, output in model.output.items()} == {
        "mood": (None, 2),
        "score": (None, 1),
    }
    assert sorted(model.input) == ["padding_mask", "segment_ids", "token_ids"]
    outputs = model({**INPUTS, "padding_mask": tf.cast(INPUTS["padding_mask"], tf.int32)}, training=False)
    for name, output in outputs.items():
        np.testing.assert_allclose(output, model.task_logits(INPUTS, name), atol=1e-6)


def test_heads_that_read_all_positions_alone_have_them_computed():
    san = Task("pair", "classification", ("a", "b"), ("x", "y"), ("accuracy",), head="san")
    model = build_multi_task_model(find_backbone("tiny"), [*TASKS, san])
    assert model.encode(INPUTS)["sequence_output"].shape == (2, 4, model.backbone.config.hidden_dim)
    assert "sequence_output" in model.encode(INPUTS, tasks=["mood", "pair"])
    alone = model.encode(INPUTS, tasks=["mood", "score"])
    assert sorted(alone) == ["padding_mask", "pooled_output", "segment_ids", "token_ids"]
    np.testing.assert_allclose(alone["pooled_output"], model.encode(INPUTS)["pooled_output"], atol=1e-6)


def test_padding_changes_no_answer():
    model = build_multi_task_model(find_backbone("tiny"), TASKS)
    shorter = {name: values[1:, :3] for name, values in INPUTS.items()}
    np.testing.assert_allclose(model.task_logits(INPUTS, "mood")[1:], model.task_logits(shorter, "mood"), atol=1e-6)


def test_a_task_without_a_head_of_its_own_and_no_task_at_all():
    model = build_multi_task_model(find_backbone("tiny"), TASKS)
    with pytest.raises(UserError, match="did you mean 'mood'"):
        model.task_logits(INPUTS, "mood_too")
    with pytest.raises(UserError, match="at least one task"):
        build_multi_task_model(find_backbone("tiny"), [])


@pytest.mark.parametrize("length", [7, 513])
def test_lengths_that_the_encoder_has_no_positions_for_are_refused(length):
    with pytest.raises(UserError, match=f"must be an integer from 8 to 512 .*, got {length}"):
        find_backbone("tiny").check_length(length)
