import dataclasses
import functools
import math

import numpy as np
import pytest
import tensorflow as tf

from mtdnn_tf.errors import UserError
from mtdnn_tf.modeling.backbone import CLS, MEAN, BackboneConfig
from mtdnn_tf.modeling.disentangled_attention import disentangled_scores, rows_of_distances, rows_of_first_position
from mtdnn_tf.modeling.encoder import Encoder
from mtdnn_tf.tasks.task import Task
from tests.modeling.random_models import random_model, training_step

TASK = Task("mood", "classification", ("text",), ("bad", "good"), ("accuracy",))
CONFIG = BackboneConfig(
    30, 3, 2, 8, 12, max_positions=16, num_segments=0, pooling=CLS, model_type="deberta-v2", position_buckets=4
)
INPUTS = {
    "token_ids": tf.constant(np.random.default_rng(0).integers(5, 30, (4, 12)), tf.int32),
    "segment_ids": tf.zeros((4, 12), tf.int32),
    "padding_mask": tf.constant(np.arange(12) < np.array([[12], [5], [9], [1]]), tf.int32),
}
_model = functools.partial(random_model, TASK, config=CONFIG)


def _row(distance, buckets, max_positions):
    """Returns a distance's row by the formula of the authors' code, in double precision."""
    own = buckets // 2
    bucket = distance
    if abs(distance) > own:
        along = math.log(abs(distance) / own) / math.log((max_positions - 1) / own) * (own - 1)
        # The largest distance is at the edge of the last bucket.
        bucket = math.copysign(math.ceil(along - 1e-9) + own, distance)
    return int(min(max(bucket + buckets, 0), 2 * buckets - 1))


@pytest.mark.parametrize(("buckets", "max_positions"), [(256, 512), (8, 20), (8, 300), (2, 9), (3, 9), (64, 16)])
def test_rows_of_distances(buckets, max_positions):
    rows = rows_of_distances(buckets, max_positions)
    distances = range(max_positions - 1, -max_positions - 1, -1)
    # The last row is that of a distance that no two positions have.
    assert rows.tolist()[:-1] == [_row(distance, buckets, max_positions) for distance in distances][:-1]
    assert rows.dtype == np.int32 and rows.min() >= 0 and rows.max() < 2 * buckets


@pytest.mark.parametrize("length", [1, 2, 7])
def test_scores_are_the_sum_of_the_papers_three_terms(length):
    generator = np.random.default_rng(length)
    query, key = (generator.normal(size=(2, 3, length, 4)) for _ in range(2))
    relative_query, relative_key = (generator.normal(size=(1, 3, 2 * length, 4)) for _ in range(2))
    expected = np.zeros((2, 3, length, length))
    for one in range(length):
        for other in range(length):
            place = length - 1 - (one - other)
            contents = query[:, :, one], key[:, :, other]
            of_position = relative_query[:, :, place], relative_key[:, :, place]
            terms = contents[0] * contents[1] + contents[0] * of_position[1] + contents[1] * of_position[0]
            expected[:, :, one, other] = terms.sum(axis=-1) / math.sqrt(3 * 4)
    arrays = (query, key, relative_query, relative_key)
    query, key, *relative = (tf.constant(array, tf.float32) for array in arrays)
    found = disentangled_scores(query, key, relative[0], relative[1], first_position=False)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)
    relative = [rows_of_first_position(rows[0, 0], tf.constant(length))[tf.newaxis, tf.newaxis] for rows in relative]
    found = disentangled_scores(query[:, :1, :1], key[:, :1], relative[0], relative[1], first_position=True)
    np.testing.assert_allclose(found, expected[:, :1, :1], rtol=1e-4, atol=1e-5)


def test_gradients_and_generators_are_those_of_kept_activations():
    one, other = training_step(_model(), INPUTS), training_step(_model(recompute=True), INPUTS)
    np.testing.assert_allclose(one[0], other[0], atol=1e-5)
    names = [variable.name for variable in _model().trainable_variables]
    assert [name for name, gradient in zip(names, one[1]) if not np.abs(gradient).max()] == []
    for first, second in zip(one[1], other[1]):
        np.testing.assert_allclose(first, second, rtol=1e-4, atol=1e-4 * np.abs(first).max())
    # Of embeddings and head, and of attention, both outputs and the relative positions of three layers.
    assert len(one[2]) == len(other[2]) == 2 + 3 * 4
    for first, second in zip(one[2], other[2]):
        np.testing.assert_array_equal(first, second)


def test_relative_positions_are_dropped_in_training():
    encoder = Encoder(CONFIG, dropout=0.3)
    before = [generator.state.numpy() for generator in encoder.generators]
    encoder(INPUTS, training=True)
    after = [generator.state.numpy() for generator in encoder.generators]
    assert all((one != other).any() for one, other in zip(before, after))


@pytest.mark.parametrize("precision", ["float32", "mixed_bfloat16", "mixed_float16"])
def test_the_first_position_alone_is_that_of_all(precision):
    encoder = _model(precision=precision).backbone
    whole = encoder(INPUTS, training=False)["sequence_output"][:, 0]
    first = encoder(INPUTS, training=False, first_position=True)["pooled_output"]
    assert whole.dtype == first.dtype and np.isfinite(whole).all()
    tolerance = {"float32": 1e-5, "mixed_bfloat16": 0.2, "mixed_float16": 0.02}[precision]
    np.testing.assert_allclose(tf.cast(first, tf.float32), tf.cast(whole, tf.float32), atol=tolerance)
    exact = _model().backbone(INPUTS, training=False)["sequence_output"][:, 0]
    np.testing.assert_allclose(tf.cast(whole, tf.float32), exact, atol=tolerance)


def test_compiled_it_computes_the_same():
    model = _model(config=dataclasses.replace(CONFIG, num_layers=1))
    weights = np.random.default_rng(0).normal(size=(4, 7, 8)).astype(np.float32)
    whole = {name: values[:, :7] for name, values in INPUTS.items()}

    def step():
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(model.backbone(whole, training=False)["sequence_output"] * weights)
        return loss, [tf.convert_to_tensor(one) for one in tape.gradient(loss, model.backbone.trainable_variables)]

    kept, compiled = (tf.function(step, jit_compile=compiles)() for compiles in (False, True))
    np.testing.assert_allclose(kept[0], compiled[0], rtol=1e-4)
    for first, second in zip(kept[1], compiled[1]):
        np.testing.assert_allclose(first, second, rtol=1e-3, atol=1e-3 * np.abs(first).max())


def test_padding_changes_nothing():
    encoder = _model(config=dataclasses.replace(CONFIG, pooling=MEAN)).backbone
    whole = encoder(INPUTS, training=False)
    for row, length in enumerate((12, 5, 9, 1)):
        alone = encoder({name: values[row : row + 1, :length] for name, values in INPUTS.items()}, training=False)
        for name, found in (
            ("sequence_output", whole["sequence_output"][row, :length]),
            ("pooled_output", whole["pooled_output"][row]),
        ):
            np.testing.assert_allclose(found, alone[name][0], atol=1e-5)


def test_sizes_that_are_none_are_refused():
    with pytest.raises(UserError, match="position_buckets >= 2, and with them max_positions <= 65536, got 1 and 16"):
        dataclasses.replace(CONFIG, position_buckets=1)
    with pytest.raises(UserError, match="got 4 and 65537"):
        dataclasses.replace(CONFIG, max_positions=65537)
