"""Storing the encoder's large matrices in fewer bits; the graph converts them to float32 in every request."""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from mtdnn_tf.errors import UserError, unknown_name

FLOAT32 = "float32"
FLOAT16 = "float16"
INT8 = "int8"
WEIGHTS = (FLOAT32, FLOAT16, INT8)

_LARGEST = 127  # Of int8; -128 is left out, so that the range is symmetric.


def check_weights(weights: str) -> None:
    """Refuses a storage format that is not one of `WEIGHTS`."""
    if weights not in WEIGHTS:
        raise unknown_name("--weights of the export", weights, WEIGHTS)


def quantize(matrix: np.ndarray, axes: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    """Returns a matrix as int8 from -127 to 127, and the scales to multiply it by (1712.05877 sec. 2).

    Each index of the axes other than `axes`, a channel, has its own scale: scales have length 1 along `axes`.
    """
    largest = np.abs(matrix).max(axis=axes, keepdims=True)
    # A channel of zeros, or of numbers too small to divide by, is stored as zeros.
    scales = (largest / _LARGEST).astype(np.float32)
    scales = np.where(scales < np.finfo(np.float32).tiny, np.float32(1), scales)
    return np.clip(np.rint(matrix / scales), -_LARGEST, _LARGEST).astype(np.int8), scales


def reduced(matrix: np.ndarray, axes: tuple[int, ...], weights: str, what: str) -> list[tf.Variable]:
    """Returns a float32 matrix as variables: in FLOAT32, FLOAT16, or INT8 with its scales along `axes`.

    `what` names the matrix in an error.
    """
    if weights == FLOAT32:
        return [tf.Variable(matrix, trainable=False, name=what)]
    if not np.isfinite(matrix).all():
        raise UserError(f"--weights={weights}: {what} has numbers that are not finite; use float32")
    if weights == INT8:
        return [tf.Variable(part, trainable=False, name=what) for part in quantize(matrix, axes)]
    if np.abs(matrix).max() > np.finfo(np.float16).max:
        raise UserError(f"--weights={weights}: {what} has numbers above 65504; use float32")
    return [tf.Variable(matrix.astype(np.float16), trainable=False, name=what)]


def read_reduced(stored: tf.Tensor, scales: tf.Tensor | None = None) -> tf.Tensor:
    """Returns in float32 what `reduced` returned, or rows of it."""
    values = tf.cast(stored, tf.float32)
    return values if scales is None else values * scales
