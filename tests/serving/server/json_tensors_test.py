from __future__ import annotations

import json
import math

import grpc
import numpy as np
import pytest
import tensorflow as tf

from mtdnn_tf.serving.server.json_tensors import array_to_json, outputs_to_json, tensor_of_json
from mtdnn_tf.serving.server.status import ServingError


@pytest.mark.parametrize(
    "dtype", [tf.float32, tf.float64, tf.float16, tf.bfloat16, tf.int8, tf.uint64, tf.int64, tf.bool]
)
@pytest.mark.parametrize("shape", [(), (3,), (2, 3), (0,), (2, 0), (2, 0, 3), (1, 2, 3, 4)])
def test_arrays_come_back_as_they_were(dtype, shape):
    values = np.random.default_rng(0).normal(0, 9, shape)
    array = (np.abs(values) if dtype.is_unsigned else values).astype(dtype.as_numpy_dtype)
    text = json.dumps(array_to_json(array))
    again = tensor_of_json(json.loads(text), dtype, "x")
    assert again.dtype == array.dtype
    # JSON cannot tell how many columns no rows have.
    assert again.shape == (shape[: shape.index(0) + 1] if 0 in shape else shape)
    np.testing.assert_array_equal(again.reshape(-1), array.reshape(-1))


def test_numbers_are_as_short_as_their_precision_allows():
    assert array_to_json(np.array([0.1, 1 / 3, 16777216, 1e-45], np.float32)) == [0.1, 0.33333334, 16777216.0, 1e-45]
    assert array_to_json(np.array([0.1 + 0.2])) == [0.30000000000000004]


def test_bytes_that_are_no_text_are_base64_wherever_they_are():
    assert array_to_json(np.array([b"a", b"\xff"], object)) == ["a", {"b64": "/w=="}]
    assert array_to_json(np.array([[b"a"]], object), "image_bytes") == [[{"b64": "YQ=="}]]


@pytest.mark.parametrize(
    ("value", "dtype"),
    [
        (True, tf.float32),
        (1, tf.bool),
        (1.0, tf.int32),
        (True, tf.int32),
        (128, tf.int8),
        (-1, tf.uint8),
        (3.5e38, tf.float32),
        (10**400, tf.float64),
        (None, tf.string),
        ({"b64": "YQ="}, tf.string),
        ({"b64": 1}, tf.string),
        ({"b64": "YQ==", "more": 1}, tf.string),
        ([1.0, [2.0]], tf.float32),
        ([[1.0], 2.0], tf.float32),
        ([[], [1.0]], tf.float32),
        ([[1.0], []], tf.float32),
    ],
)
def test_what_is_of_another_type_or_ragged_is_refused(value, dtype):
    with pytest.raises(ServingError) as raised:
        tensor_of_json(value, dtype, "'x' in 'inputs'")
    assert raised.value.code == grpc.StatusCode.INVALID_ARGUMENT
    assert "'x' in 'inputs'" in raised.value.message


def test_infinity_is_a_number_that_a_model_may_take():
    assert tensor_of_json([math.inf, -math.inf], tf.float32, "x").tolist() == [math.inf, -math.inf]


def test_rows_need_as_many_rows_in_every_output():
    with pytest.raises(ServingError, match=r"a \[2\], b \[3\]"):
        outputs_to_json({"a": np.zeros(2), "b": np.zeros(3)}, by_row=True)
    assert outputs_to_json({"a": np.zeros(2), "b": np.zeros(3)}, by_row=False)["outputs"]["b"] == [0.0] * 3
