from __future__ import annotations

import dataclasses

import keras_nlp
import numpy as np
import pytest
import tensorflow as tf

from benchmarks.learning_worker import largest_difference
from benchmarks.plain_path import build_plain_model, build_plain_optimizer
from mtdnn_tf.modeling.bert_weights import assign_weights, read_weights
from mtdnn_tf.modeling.checkpoints.backbones import find_backbone
from mtdnn_tf.modeling.encoder import Encoder
from mtdnn_tf.modeling.multi_task_model import build_multi_task_model
from mtdnn_tf.tasks.registry import select_tasks
from mtdnn_tf.training.optimization.fused_optimizers import FusedAdamax, FusedAdamW
from mtdnn_tf.training.optimization.optimizers import build_optimizer
from tests.helpers import write_tasks

ROWS, LENGTH = 4, 12


def _batch():
    generator = np.random.default_rng(0)
    return {
        "token_ids": generator.integers(0, 60, (ROWS, LENGTH)),
        "segment_ids": np.zeros((ROWS, LENGTH), np.int32),
        "padding_mask": np.arange(LENGTH) < np.array([[12], [9], [5], [1]]),
    }


@pytest.fixture(name="tasks", scope="module")
def _tasks(tmp_path_factory):
    return select_tasks([], [write_tasks(tmp_path_factory.mktemp("data"))])


@pytest.fixture(name="fast", scope="module")
def _fast(tasks):
    """The product's model, with random weights that move outputs far from 0."""
    model = build_multi_task_model(find_backbone("tiny"), tasks, dropout=0.0)
    generator = np.random.default_rng(1)
    weights = {
        name: generator.normal(0, 0.3, array.shape).astype(np.float32)
        for name, array in read_weights(model.backbone).items()
    }
    assign_weights(model.backbone, weights)
    return model


def _build_plain(fast, tasks, **changes):
    tiny = find_backbone("tiny")
    config = dataclasses.replace(tiny.config, **changes)
    weights = read_weights(fast.backbone)
    return build_plain_model(dataclasses.replace(tiny, config=config, weights=weights), tasks, dropout=0.0)


@pytest.fixture(name="plain", scope="module")
def _plain(fast, tasks):
    return _build_plain(fast, tasks)


def test_the_plain_model_has_the_layers_of_keras_and_keras_nlp(fast, plain):
    layers = [type(layer) for layer in plain.backbone.layers]
    assert layers.count(keras_nlp.layers.TransformerEncoder) == plain.backbone.config.num_layers
    assert {tf.keras.layers.Dropout, tf.keras.layers.LayerNormalization} <= set(layers)
    assert isinstance(fast.backbone, Encoder)


def test_only_the_plain_model_computes_all_positions(fast, plain):
    assert "sequence_output" not in fast.encode(_batch())
    assert plain.encode(_batch())["sequence_output"].shape[:2] == (ROWS, LENGTH)


def test_both_models_are_the_same_function(fast, plain):
    assert largest_difference(fast, plain, [_batch()]) < 1e-5


def test_another_function_is_told_apart(fast, tasks):
    assert largest_difference(fast, _build_plain(fast, tasks, activation="relu"), [_batch()]) > 1e-4


def test_an_output_that_is_not_a_number_is_no_small_difference(fast, plain):
    bias = plain.heads["mood"].logits.bias
    before = bias.numpy()
    bias.assign([np.nan, 0.0])
    assert np.isnan(largest_difference(fast, plain, [_batch(), _batch()]))
    bias.assign(before)


@pytest.mark.parametrize(
    ("name", "fused", "of_keras"),
    [
        ("adamax", FusedAdamax, tf.keras.optimizers.Adamax),
        ("adamw", FusedAdamW, tf.keras.optimizers.AdamW),
    ],
)
def test_the_plain_optimizer_is_that_of_keras_with_the_same_settings(plain, name, fused, of_keras):
    ours, theirs = build_optimizer(name, 1e-3, plain), build_plain_optimizer(name, 1e-3, plain)
    assert (type(ours), type(theirs)) == (fused, of_keras)
    own = {"name", "weight_decay"}
    settings = [{k: v for k, v in each.get_config().items() if k not in own} for each in (ours, theirs)]
    assert settings[0] == settings[1]
    for optimizer in (ours, theirs):
        values = [variable.numpy() for variable in plain.trainable_variables]
        optimizer.apply_gradients((tf.ones_like(variable), variable) for variable in plain.trainable_variables)
        moved = [variable.numpy() for variable in plain.trainable_variables]
        for variable, value in zip(plain.trainable_variables, values):
            variable.assign(value)
        if optimizer is ours:
            expected = moved
    for one, other in zip(expected, moved):
        np.testing.assert_allclose(one, other, atol=1e-6)
