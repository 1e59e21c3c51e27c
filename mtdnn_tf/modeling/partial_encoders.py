"""An encoder run without the parts of it that no head reads."""

from __future__ import annotations

import tensorflow as tf

from mtdnn_tf.modeling.backbone import PooledBertBackbone
from mtdnn_tf.modeling.pooling import POOLER


class SequenceEncoder:
    """Computes an encoder's outputs at all positions, and its pooler only if it has one.

    Args:
        backbone: The encoder.
    """

    def __init__(self, backbone: PooledBertBackbone) -> None:
        outputs = dict(backbone.output)
        if backbone.pooling != POOLER:
            del outputs["pooled_output"]
        self._encoder = tf.keras.Model(backbone.input, outputs)

    def __call__(self, inputs: dict[str, tf.Tensor], training: bool = False) -> dict[str, tf.Tensor]:
        """Returns `sequence_output` [batch, length, width] and, of an encoder with a pooler, `pooled_output`.

        Args:
            inputs: `token_ids`, `segment_ids`, `padding_mask`, each [batch, length].
            training: Whether dropout is on. Defaults to False.
        """
        outputs: dict[str, tf.Tensor] = self._encoder(inputs, training=training)
        return outputs


class FirstPositionEncoder:
    """Computes an encoder's pooled vector without its last block's outputs at other positions.

    They are 14 % of the matrix products of an encoder of six blocks, 7 % of one of twelve. Keys and values of all
    positions remain.

    Args:
        backbone: The encoder, of pooling "pooler" or "cls"; its last block is an `EncoderBlock`.
    """

    def __init__(self, backbone: PooledBertBackbone) -> None:
        self._backbone = backbone
        self._last = backbone.transformer_layers[-1]
        self._below = tf.keras.Model(backbone.input, self._last.input)

    def __call__(self, inputs: dict[str, tf.Tensor], training: bool = False) -> tf.Tensor:
        """Returns the pooled vector [batch, width].

        Args:
            inputs: `token_ids`, `segment_ids`, `padding_mask`, each [batch, length].
            training: Whether dropout is on. Defaults to False.
        """
        states = self._below(inputs, training=training)
        first = self._last(states, padding_mask=inputs["padding_mask"], training=training, first_position=True)
        return self._backbone.pooled_dense(first[:, 0]) if self._backbone.pooling == POOLER else first[:, 0]
