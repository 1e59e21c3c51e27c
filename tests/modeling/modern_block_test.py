import dataclasses
import functools

import numpy as np
import pytest
import tensorflow as tf

from mtdnn_tf.errors import UserError
from mtdnn_tf.modeling.backbone import CLS, MEAN, BackboneConfig
from mtdnn_tf.modeling.encoder_block import BlockSettings
from mtdnn_tf.modeling.modern_block import inverse_wavelengths, local_mask, modern_block
from mtdnn_tf.tasks.task import Task
from mtdnn_tf.training.optimization.fused_optimizers import FusedAdamax
from mtdnn_tf.training.optimization.optimizers import decay_rates
from tests.modeling.random_models import random_model, training_step

TASK = Task("mood", "classification", ("text",), ("bad", "good"), ("accuracy",))
CONFIG = BackboneConfig(
    30,
    3,
    2,
    8,
    12,
    max_positions=16,
    num_segments=0,
    pooling=CLS,
    model_type="modernbert",
    norm_epsilon=1e-5,
    windows=(0, 2, 2),
    global_rotary_base=1000.0,
    local_rotary_base=100.0,
)
LENGTHS = (12, 5, 9, 1)
INPUTS = {
    "token_ids": tf.constant(np.random.default_rng(0).integers(5, 30, (4, 12)), tf.int32),
    "segment_ids": tf.zeros((4, 12), tf.int32),
    "padding_mask": tf.constant(np.arange(12) < np.array(LENGTHS)[:, np.newaxis], tf.int32),
}
_model = functools.partial(random_model, TASK, config=CONFIG)


def _rotated(heads, base):
    """Returns [length, depth] rotated as complex numbers (2104.09864 eq. 13)."""
    half = heads.shape[-1] // 2
    turned = np.exp(1j * np.arange(len(heads))[:, np.newaxis] * base ** (-np.arange(half) / half))
    whole = (heads[:, :half] + 1j * heads[:, half:]) * turned
    return np.concatenate([whole.real, whole.imag], axis=-1)


def _norm(rows, weight):
    return (rows - rows.mean(-1, keepdims=True)) / np.sqrt(rows.var(-1, keepdims=True) + 1e-5) * weight


def _block(states, window, weights, base):
    """Returns what a block with one head and ReLU makes of one text, in double precision."""
    width = states.shape[-1]
    joined = _norm(states, weights["attention.LayerNorm.weight"]) @ weights["attention.self.query_key_value.weight"]
    query, key, value = joined[:, :width], joined[:, width : 2 * width], joined[:, 2 * width :]
    scores = _rotated(query, base) @ _rotated(key, base).T / np.sqrt(width)
    distances = np.abs(np.subtract.outer(np.arange(len(states)), np.arange(len(states))))
    scores[distances > window] = -np.inf
    attention = np.exp(scores) / np.exp(scores).sum(axis=-1, keepdims=True)
    rows = states + attention @ value @ weights["attention.output.dense.weight"]
    wide = _norm(rows, weights["intermediate.LayerNorm.weight"]) @ weights["intermediate.dense.weight"]
    inputs, gate = np.split(wide, 2, axis=-1)
    return rows + np.maximum(inputs, 0) * gate @ weights["output.dense.weight"]


def test_a_block_is_that_of_the_papers():
    generator, width, inner, base = np.random.default_rng(1), 6, 5, 50.0
    shapes = {
        "attention.LayerNorm": (width,),
        "attention.self.query_key_value": (width, 3 * width),
        "attention.output.dense": (width, width),
        "intermediate.LayerNorm": (width,),
        "intermediate.dense": (width, 2 * inner),
        "output.dense": (inner, width),
    }
    weights = {f"{name}.weight": generator.normal(size=shape) for name, shape in shapes.items()}
    states = generator.normal(size=(1, 7, width))
    tensors = {name: tf.constant(array, tf.float32) for name, array in weights.items()}
    for first_position in (False, True):
        settings = BlockSettings(1, "relu", 0, False, first_position, 1e-5, base)
        mask = local_mask(tf.ones((1, 7), tf.int32), 2, tf.float32)
        found = modern_block(tf.constant(states, tf.float32), mask, tensors, {}, settings)
        expected = _block(states[0], 2, weights, base)
        np.testing.assert_allclose(found[0], expected[:1] if first_position else expected, rtol=1e-4, atol=1e-4)


def test_angles_of_one_position():
    np.testing.assert_allclose(inverse_wavelengths(10000.0, 8), [1, 0.1, 0.01, 0.001], rtol=1e-6)
    assert inverse_wavelengths(160000.0, 64).dtype == np.float32


def test_a_local_mask_opens_near_tokens_and_oneself():
    padding_mask = np.array([[1, 1, 1, 0, 0], [1, 1, 1, 1, 1]])
    found = local_mask(tf.constant(padding_mask, tf.int32), 1, tf.float32).numpy()
    for row in range(2):
        for one in range(5):
            for other in range(5):
                is_open = (abs(one - other) <= 1 and padding_mask[row, other]) or one == other
                assert (found[row, 0, one, other] == 0) == bool(is_open)
    assert found.min() == -1e9


def test_gradients_and_generators_are_those_of_kept_activations():
    one, other = training_step(_model(), INPUTS), training_step(_model(recompute=True), INPUTS)
    np.testing.assert_allclose(one[0], other[0], atol=1e-5)
    names = [variable.name for variable in _model().trainable_variables]
    assert [name for name, gradient in zip(names, one[1]) if not np.abs(gradient).max()] == []
    for first, second in zip(one[1], other[1]):
        np.testing.assert_allclose(first, second, rtol=1e-4, atol=1e-4 * np.abs(first).max())
    # Of embeddings and head, and of attention and both outputs of three layers.
    assert len(one[2]) == len(other[2]) == 2 + 3 * 3
    fresh = [generator.state.numpy() for generator in _model().generators]
    for before, first, second in zip(fresh, one[2], other[2]):
        np.testing.assert_array_equal(first, second)
        assert (before != first).any()


@pytest.mark.parametrize("precision", ["float32", "mixed_bfloat16", "mixed_float16"])
def test_the_first_position_alone_is_that_of_all(precision):
    encoder = _model(precision=precision).backbone
    whole = encoder(INPUTS, training=False)["sequence_output"]
    first = encoder(INPUTS, training=False, first_position=True)["pooled_output"]
    # Of padding far from any token, too.
    assert whole.dtype == first.dtype and np.isfinite(whole).all()
    tolerance = {"float32": 1e-5, "mixed_bfloat16": 0.5, "mixed_float16": 0.05}[precision]
    np.testing.assert_allclose(tf.cast(first, tf.float32), tf.cast(whole[:, 0], tf.float32), atol=tolerance)
    exact = _model().backbone(INPUTS, training=False)["sequence_output"][:, 0]
    np.testing.assert_allclose(tf.cast(whole[:, 0], tf.float32), exact, atol=tolerance)


def test_compiled_it_computes_the_same():
    model = _model(config=dataclasses.replace(CONFIG, num_layers=2, windows=(0, 2)))
    weights = np.random.default_rng(0).normal(size=(4, 7, 8)).astype(np.float32)
    whole = {name: values[:, :7] for name, values in INPUTS.items()}

    def step():
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(model.backbone(whole, training=False)["sequence_output"] * weights)
        return loss, [tf.convert_to_tensor(one) for one in tape.gradient(loss, model.backbone.trainable_variables)]

    kept, compiled = (tf.function(step, jit_compile=compiles)() for compiles in (False, True))
    np.testing.assert_allclose(kept[0], compiled[0], rtol=1e-3, atol=1e-3)
    for first, second in zip(kept[1], compiled[1]):
        np.testing.assert_allclose(first, second, rtol=1e-3, atol=1e-3 * np.abs(first).max())


def test_padding_changes_nothing():
    encoder = _model(config=dataclasses.replace(CONFIG, pooling=MEAN)).backbone
    whole = encoder(INPUTS, training=False)
    for row, length in enumerate(LENGTHS):
        alone = encoder({name: values[row : row + 1, :length] for name, values in INPUTS.items()}, training=False)
        for name, found in (
            ("sequence_output", whole["sequence_output"][row, :length]),
            ("pooled_output", whole["pooled_output"][row]),
        ):
            np.testing.assert_allclose(found, alone[name][0], atol=1e-5)


class _Recorder(FusedAdamax):
    """Keeps the rates that it is given."""

    def set_multipliers(self, multipliers):
        self.found = list(multipliers)


def test_the_norm_after_the_layers_has_the_rate_between_heads_and_layers():
    model = _model()
    optimizer = _Recorder(0.1)
    decay_rates(optimizer, model, 0.5)
    names = {id(variable): name for name, variable in model.backbone.named.items()}
    found = dict(zip((names.get(id(one), "head") for one in model.trainable_variables), optimizer.found))
    assert found["head"] == 1 and found["encoder.final.LayerNorm.weight"] == 0.5
    layers = [found[f"encoder.layer.{layer}.output.dense.weight"] for layer in range(3)]
    assert layers == [0.0625, 0.125, 0.25] and found["embeddings.LayerNorm.weight"] == 0.03125


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"windows": (0, 2)}, "windows of the backbone must be 3 numbers >= 0, one a layer, got 0, 2"),
        ({"windows": (0, -1, 2)}, "windows of the backbone must be 3 numbers >= 0"),
        ({"num_segments": 2}, "with windows, the backbone must have no segments, position_buckets or other"),
        ({"embedding_dim": 4}, "with windows, the backbone must have no segments"),
        ({"num_heads": 8}, "width of a head must be even, got hidden_dim 8 and num_heads 8"),
        ({"local_rotary_base": 0.0}, "must be numbers >= 1, got 1000.0 and 0.0"),
        ({"global_rotary_base": float("nan")}, "must be numbers >= 1, got nan and 100.0"),
    ],
)
def test_sizes_that_are_none_are_refused(fields, message):
    with pytest.raises(UserError, match=message):
        dataclasses.replace(CONFIG, **fields)
