import importlib.util

import numpy as np
import pytest
import tensorflow as tf

from mtdnn_tf.errors import UserError
from mtdnn_tf.modeling.checkpoints.backbones import find_backbone
from mtdnn_tf.modeling.multi_task_model import build_multi_task_model
from mtdnn_tf.tasks.task import Task
from mtdnn_tf.training.optimization.optimizers import build_optimizer, decayed_variables

TASK = Task("mood", "classification", ("text",), ("bad", "good"), ("accuracy",))


@pytest.fixture
def model():
    return build_multi_task_model(find_backbone("tiny"), [TASK])


def test_weight_decay_spares_layer_norm_and_biases(model):
    decayed, spared = decayed_variables(model)
    names = {id(variable): name for name, variable in model.backbone.named.items()}
    # 2 blocks: 6 matrices each; 3 embedding tables; the pooler; the head, whose variables the table does not name.
    assert sorted(names[id(v)] for v in decayed if id(v) in names) == sorted(
        name for name in names.values() if name.endswith(".weight") and "LayerNorm" not in name
    )
    assert len(decayed) == 2 * 6 + 3 + 1 + 1
    assert len(spared) == 2 * (6 + 4) + 2 + 1 + 1


def test_adamw_with_no_gradient_shrinks_the_decayed_alone(model):
    for variable in model.trainable_variables:
        variable.assign(tf.ones_like(variable))
    optimizer = build_optimizer("adamw", 0.1, model)
    optimizer.apply_gradients((tf.zeros_like(v), v) for v in model.trainable_variables)
    decayed, spared = decayed_variables(model)
    for variable in decayed:
        np.testing.assert_allclose(variable.numpy(), 1.0 - 0.1 * 0.01, rtol=1e-6)
    for variable in spared:
        np.testing.assert_array_equal(variable.numpy(), 1.0)


def test_adamax_step_equals_its_formula(model):
    head = model.heads["mood"].logits.kernel
    before, gradient = head.numpy(), np.random.default_rng(0).normal(size=head.shape).astype(np.float32)
    optimizer = build_optimizer("adamax", 0.01, model)
    moment, bound, expected = 0.0, 0.0, before.astype(np.float64)
    for step in (1, 2, 3):
        scaled = gradient * step
        pairs = [(tf.constant(scaled) if v is head else tf.zeros_like(v), v) for v in model.trainable_variables]
        optimizer.apply_gradients(pairs)
        moment = 0.9 * moment + 0.1 * scaled
        bound = np.maximum(0.999 * bound, np.abs(scaled))
        expected = expected - 0.01 / (1 - 0.9**step) * moment / (bound + 1e-7)
    np.testing.assert_allclose(head.numpy(), expected, atol=1e-6)


@pytest.mark.parametrize("name", ["lamb", "lazyadam", "radam"])
def test_optimizers_of_tensorflow_addons(model, name):
    if importlib.util.find_spec("tensorflow_addons") is None:
        with pytest.raises(UserError, match="needs tensorflow-addons, which is not installed"):
            build_optimizer(name, 0.1, model)
        return
    before = [v.numpy() for v in model.trainable_variables]
    optimizer = build_optimizer(name, 0.1, model)
    optimizer.apply_gradients((tf.ones_like(v), v) for v in model.trainable_variables)
    assert all((v.numpy() != old).any() for v, old in zip(model.trainable_variables, before))


def test_an_unknown_optimizer_is_refused(model):
    with pytest.raises(UserError, match="did you mean 'adamax'"):
        build_optimizer("adamx", 0.1, model)
