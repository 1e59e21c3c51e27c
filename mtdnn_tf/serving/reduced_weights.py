"""Storing the encoder's large matrices in fewer bits; the graph converts them to float32 in every request."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from mtdnn_tf.errors import UserError, unknown_name
from mtdnn_tf.modeling.bert_weights import WORD_EMBEDDINGS, encoder_weights
from mtdnn_tf.modeling.encoder import Encoder

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


def _reduced(matrix: np.ndarray, axes: tuple[int, ...], weights: str, what: str) -> list[tf.Variable]:
    """Returns a float32 matrix in FLOAT16, or in INT8 with its scales along `axes`; `what` names it in an error."""
    if not np.isfinite(matrix).all():
        raise UserError(f"--weights={weights}: {what} has numbers that are not finite; use float32")
    if weights == INT8:
        return [tf.Variable(part, trainable=False) for part in quantize(matrix, axes)]
    if np.abs(matrix).max() > np.finfo(np.float16).max:
        raise UserError(f"--weights={weights}: {what} has numbers above 65504; use float32")
    return [tf.Variable(matrix.astype(np.float16), trainable=False)]


def _read(stored: tf.Tensor, scales: tf.Tensor | None = None) -> tf.Tensor:
    """Returns in float32 what `_reduced` returned, or rows of it."""
    values = tf.cast(stored, tf.float32)
    return values if scales is None else values * scales


class ReducedWeights(tf.Module):
    """The word embeddings and the matrices of an encoder's blocks and pooler, in fewer bits, for `Encoder.call`.

    They are variables, not constants, which a server would convert to float32 when it loads the graph. INT8 has a scale
    for each output of a matrix and each row of the word embeddings.
    """

    def __init__(self, encoder: Encoder, weights: str) -> None:
        super().__init__()
        # A function, because TensorFlow would track the encoder, and an export would have its variables.
        self._variable = lambda name: encoder.named[name]
        self._matrices = {}
        for name, shape, variable_shape, is_matrix in encoder_weights(encoder.config):
            if is_matrix or name == WORD_EMBEDDINGS:
                axes = _leading_axes(variable_shape, shape[1]) if is_matrix else (1,)
                self._matrices[name] = _reduced(self._variable(name).numpy(), axes, weights, name)

    @property
    def replaced(self) -> list[tf.Variable]:
        """The variables of the encoder that are not read."""
        return [self._variable(name) for name in self._matrices]

    def read(self, name: str) -> tf.Tensor | tf.Variable:
        """Returns a weight, in float32 if it is stored in fewer bits."""
        return _read(*self._matrices[name]) if name in self._matrices else self._variable(name)

    def rows(self, name: str, ids: tf.Tensor) -> tf.Tensor:
        """Returns some rows of a table of embeddings."""
        parts = self._matrices.get(name)
        return _read(*(tf.gather(part, ids) for part in parts)) if parts else tf.gather(self._variable(name), ids)


def _leading_axes(shape: Sequence[int], size: int) -> tuple[int, ...]:
    """Returns the first axes that together have a size: a matrix's inputs, in attention's output two axes."""
    count = next(count for count in range(1, len(shape) + 1) if math.prod(shape[:count]) == size)
    return tuple(range(count))
