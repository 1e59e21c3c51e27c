"""Pooling: from the encoder's outputs at all positions to the vector that linear heads read."""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import tensorflow as tf

from mtdnn_tf.errors import UserError
from mtdnn_tf.files import read_json_object, write_json

AUTO = "auto"
POOLER = "pooler"
CLS = "cls"
MEAN = "mean"
POOLINGS = (POOLER, CLS, MEAN)

# Where a sentence-transformers folder keeps the pooling that its encoder was trained with.
SENTENCE_TRANSFORMERS = "1_Pooling/config.json"
_MODES = {"pooling_mode_cls_token": CLS, "pooling_mode_mean_tokens": MEAN}
_MODE_PREFIX = "pooling_mode_"
POOLER_WEIGHTS = ("pooler.dense.weight", "pooler.dense.bias")
_log = logging.getLogger("absl")


class Pooling(tf.keras.layers.Layer):
    """Pools the encoder's outputs into one vector per sequence.

    Args:
        pooling: "pooler" for BERT's tanh layer over the first position, "cls" for the first position's output, "mean"
            for the mean over all positions that are not padding (Reimers and Gurevych 2019, arXiv 1908.10084 sec. 3).
    """

    def __init__(self, pooling: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.pooling = pooling

    def call(self, encoded: dict[str, tf.Tensor]) -> tf.Tensor:
        """Returns the pooled vector [batch, width].

        Args:
            encoded: `sequence_output` [batch, length, width], `pooled_output` [batch, width] of BERT's pooler, and
                `padding_mask` [batch, length], 1 at positions that are not padding.
        """
        if self.pooling == POOLER:
            return encoded["pooled_output"]
        sequence = encoded["sequence_output"]
        if self.pooling == CLS:
            return sequence[:, 0]
        # Sums of up to 512 numbers need more than 16 bits.
        mask = tf.cast(encoded["padding_mask"], tf.float32)[:, :, tf.newaxis]
        total = tf.reduce_sum(tf.cast(sequence, tf.float32) * mask, axis=1)
        return tf.cast(total / tf.maximum(tf.reduce_sum(mask, axis=1), 1.0), sequence.dtype)


def folder_pooling(folder: Path, weights: Collection[str]) -> str:
    """Returns the pooling that a checkpoint asks for.

    Args:
        folder: The checkpoint's folder. `1_Pooling/config.json` of sentence-transformers decides if it is there.
        weights: Names of the checkpoint's weights. Without it, BERT's pooler is used if it is among them, else the
            first position.

    Raises:
        UserError: 1_Pooling/config.json asks for another pooling than "cls" and "mean".
    """
    path = folder / SENTENCE_TRANSFORMERS
    if path.is_file():
        return _of_sentence_transformers(read_json_object(path), path)
    if any(name in weights for name in POOLER_WEIGHTS):
        return POOLER
    _log.info("%s: no pooler weights; heads read the first position's output (pooling %s)", folder, CLS)
    return CLS


def _of_sentence_transformers(values: Mapping[str, Any], path: Path) -> str:
    modes = [name for name, value in values.items() if name.startswith(_MODE_PREFIX) and value is True]
    if len(modes) != 1 or modes[0] not in _MODES:
        raise UserError(
            f"{path}: exactly one of {', '.join(_MODES)} must be true, got {', '.join(modes) or 'none'}; "
            f"pass --pooling={CLS} or --pooling={MEAN} with a copy of the folder without {SENTENCE_TRANSFORMERS}"
        )
    return _MODES[modes[0]]


def write_folder_pooling(folder: Path, pooling: str, width: int) -> None:
    """Writes the pooling of an encoder as sentence-transformers does; BERT's pooler needs no file.

    Args:
        folder: The checkpoint's folder.
        pooling: One of `POOLINGS`.
        width: Width of the encoder.
    """
    if pooling == POOLER:
        return
    modes = {name: pooling == mode for name, mode in _MODES.items()}
    write_json(folder / SENTENCE_TRANSFORMERS, {"word_embedding_dimension": width, **modes})
    parts = [("0", "", "Transformer"), ("1", "1_Pooling", "Pooling")]
    write_json(
        folder / "modules.json",
        [
            {"idx": int(name), "name": name, "path": path, "type": f"sentence_transformers.models.{kind}"}
            for name, path, kind in parts
        ],
    )
