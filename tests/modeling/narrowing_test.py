"""A narrowed encoder against NumPy: the directions, an encoder that fits into the width exactly, and refusals."""

import dataclasses

import numpy as np
import pytest
import tensorflow as tf

from mtdnn_tf.errors import UserError
from mtdnn_tf.modeling.backbone import BackboneConfig
from mtdnn_tf.modeling.bert_weights import encoder_weights
from mtdnn_tf.modeling.checkpoints.backbones import find_backbone
from mtdnn_tf.modeling.checkpoints.conversion import convert
from mtdnn_tf.modeling.checkpoints.pretrained import PretrainedBackbone
from mtdnn_tf.modeling.multi_task_model import build_multi_task_model
from mtdnn_tf.modeling.narrowing import check_student, directions, narrow
from mtdnn_tf.tasks.task import Task
from tests.bert_in_numpy import bert
from tests.families.encoder_case import GOLDEN, packed

TASK = Task("mood", "classification", ("text",), ("bad", "good"), ("accuracy",))
RANDOM = np.random.default_rng(0)
# A narrow encoder, and a wide one that computes the same in some of its directions.
WORDS, LAYERS, OF_HEAD = 30, 2, 4
NARROW = BackboneConfig(WORDS, LAYERS, num_heads=2, hidden_dim=8, intermediate_dim=12, max_positions=16)
WIDE = dataclasses.replace(NARROW, num_heads=4, hidden_dim=16, intermediate_dim=24)
HEADS, UNITS = (1, 3), tuple(range(5, 17))  # Of the wide encoder, those of the narrow one.


@pytest.mark.parametrize("dim", [2, 9, 20])
def test_directions_are_those_of_the_singular_values_and_the_mean(dim):
    states = (RANDOM.normal(size=(50, 20)) * RANDOM.uniform(0.1, 3, 20) + 1).astype(np.float32)
    columns, kept = directions(states, dim)
    np.testing.assert_allclose(columns.T @ columns, np.eye(dim), atol=1e-12)
    np.testing.assert_allclose(columns.sum(axis=0), (20 / dim) ** 0.5, atol=1e-12)
    centered = states - states.mean(axis=1, keepdims=True, dtype=np.float64)
    values = np.linalg.svd(centered, compute_uv=False) ** 2
    lost = np.linalg.norm(centered - centered @ columns @ columns.T) ** 2
    np.testing.assert_allclose(lost, values[dim - 1 : 19].sum(), rtol=1e-5, atol=1e-7)
    np.testing.assert_allclose(kept, values[: dim - 1].sum() / values.sum(), rtol=1e-6)


def test_as_many_directions_as_axes_are_the_axes():
    columns, kept = directions(RANDOM.normal(size=(50, 20)).astype(np.float32), 20)
    np.testing.assert_allclose(columns, np.eye(20), atol=1e-12)
    assert kept == pytest.approx(1)


def test_directions_are_turned_to_the_axes_that_they_hold_most_of():
    states = np.zeros((50, 20), np.float32)
    states[:, ::2] = RANDOM.normal(size=(50, 10))
    columns, _ = directions(states, 11)
    # Not to them exactly, as the mean of the narrow axes is that of the wide ones.
    assert (columns[::2].max(axis=1) > 0.9).all() and len({*columns[::2].argmax(axis=1)}) == 10


def _random_weights(config):
    weights = {weight.name: RANDOM.normal(0, 0.5, weight.shape) for weight in encoder_weights(config)}
    for name, array in weights.items():
        if name.endswith("LayerNorm.weight"):
            array[:] = RANDOM.uniform(0.5, 1.5)
    return weights


def _directions_with_the_mean():
    """Returns orthonormal columns [16, 8] that map the mean of 8 numbers to that of 16."""
    wide, narrow_axes = (
        np.linalg.qr(np.column_stack([np.ones(width), RANDOM.normal(size=(width, 7))]))[0] for width in (16, 8)
    )
    wide[:, 0], narrow_axes[:, 0] = np.abs(wide[:, 0]), np.abs(narrow_axes[:, 0])
    return wide @ narrow_axes.T


def _widened(weights):
    """Returns weights of a wide encoder whose states are those of a narrow one in other directions."""
    columns, heads = _directions_with_the_mean(), [head * OF_HEAD + at for head in HEADS for at in range(OF_HEAD)]
    places = {"intermediate": list(UNITS), "attention.self": heads, "pooler": list(range(0, 16, 2))}
    wide = {}
    for weight in encoder_weights(WIDE):
        name, array = weight.name, weights[weight.name]
        if name.endswith("LayerNorm.weight"):
            wide[name] = np.full(16, array[0] * (8 / 16) ** 0.5)
        elif "output.dense" in name or name.endswith("LayerNorm.bias"):
            written = columns @ array
            if name.endswith("output.dense.weight"):
                kept = heads if "attention" in name else list(UNITS)
                wide[name] = np.zeros(weight.shape)
                wide[name][:, kept] = written
            else:
                wide[name] = written
        elif "embeddings" in name:
            wide[name] = array @ columns.T
        else:
            kept = next(place for part, place in places.items() if part in name)
            # What other heads and units compute is not read; it is less than what the pooler's others do.
            wide[name] = RANDOM.normal(0, 0.01, weight.shape)
            wide[name][kept] = array @ columns.T if name.endswith("weight") else array
    return {name: array.astype(np.float32) for name, array in wide.items()}


def test_an_encoder_that_fits_into_the_width_computes_the_same():
    weights = _random_weights(NARROW)
    wide = PretrainedBackbone("wide", WIDE, tuple(map(str, range(WORDS))), True, _widened(weights))
    ids = RANDOM.integers(0, WORDS, (3, 9))
    segments, mask = RANDOM.integers(0, 2, (3, 9)), np.arange(9) < np.array([[9], [5], [7]])
    states, pooled = bert(weights, ids, segments, mask, LAYERS, 2, "gelu")
    of_wide, _ = bert(wide.weights, ids, segments, mask, LAYERS, 4, "gelu")
    np.testing.assert_allclose(
        (of_wide @ of_wide.transpose(0, 2, 1))[mask], (states @ states.transpose(0, 2, 1))[mask], atol=1e-4
    )

    inputs = {"token_ids": ids, "segment_ids": segments, "padding_mask": mask}
    found = narrow(wide, 8, [inputs])
    assert found.config == NARROW
    encoder = build_multi_task_model(found, [TASK]).backbone
    outputs = encoder({name: tf.constant(array) for name, array in inputs.items()}, training=False)
    rows = outputs["sequence_output"].numpy()
    # The same up to a rotation: all products of two states are.
    np.testing.assert_allclose(
        (rows @ rows.transpose(0, 2, 1))[mask], (states @ states.transpose(0, 2, 1))[mask], atol=1e-4
    )
    np.testing.assert_allclose(outputs["pooled_output"], pooled, atol=1e-5)


@pytest.mark.parametrize("name", ["bert", "distilbert", "roberta", "xlm-roberta", "electra_wide"])
def test_families_with_berts_blocks_are_narrowed_and_written(tmp_path, name):
    pretrained = find_backbone(str(GOLDEN / name))
    narrowed = narrow(pretrained, 8, [packed(pretrained)])
    shape = narrowed.config
    assert (shape.hidden_dim, shape.num_heads, shape.intermediate_dim, shape.embedding_width) == (8, 1, 16, 8)
    outputs = build_multi_task_model(narrowed, [TASK]).backbone(packed(narrowed), training=False)
    assert np.isfinite(outputs["sequence_output"]).all()
    convert(narrowed, tmp_path / "out", "huggingface")
    read, again = find_backbone(str(tmp_path / "out")), narrow(pretrained, 8, [packed(pretrained)]).weights
    assert read.config == shape
    for weight, array in narrowed.weights.items():
        assert read.weights[weight].tobytes() == array.tobytes()
        assert array.tobytes() == again[weight].tobytes()


def test_random_weights_stay_random():
    assert find_backbone("tiny").config.hidden_dim == 16
    narrowed = narrow(find_backbone("tiny"), 8, [])
    assert (narrowed.config.hidden_dim, narrowed.config.num_heads, dict(narrowed.weights)) == (8, 1, {})


@pytest.mark.parametrize(
    ("name", "dim", "message"),
    [
        (
            "bert",
            12,
            "`student_dim` must be a multiple of 8, the width of a head of .*bert, and below its width 16, got 12",
        ),
        ("bert", 16, "below its width 16, got 16"),
        ("bert", 24, "below its width 16, got 24"),
        ("albert", 8, "got the albert of .*, with embeddings of another width"),
        ("electra", 8, "got the electra of .*, with embeddings of another width"),
        (
            "deberta-v2",
            8,
            "`student_dim` needs an encoder with BERT's blocks .*, got the deberta-v2 of .*, with blocks",
        ),
        ("modernbert", 8, "got the modernbert of .*, with blocks of another form"),
    ],
)
def test_other_widths_and_families_are_refused(name, dim, message):
    pretrained = find_backbone(str(GOLDEN / name))
    for refuse in (lambda: check_student(pretrained, None, dim), lambda: narrow(pretrained, dim, [])):
        with pytest.raises(UserError, match=message):
            refuse()
