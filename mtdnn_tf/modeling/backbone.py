"""The shared BERT encoder."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import keras_nlp
import tensorflow as tf

from mtdnn_tf.errors import UserError, unknown_name
from mtdnn_tf.modeling.dropout import SixteenBitDropout
from mtdnn_tf.modeling.encoder_block import EncoderBlock
from mtdnn_tf.modeling.gelu import exact_gelu
from mtdnn_tf.modeling.pooling import POOLER, POOLINGS

BACKBONE = "backbone"
ACTIVATIONS: dict[str, Callable[[tf.Tensor], tf.Tensor]] = {
    "gelu": exact_gelu,
    "gelu_approximate": lambda x: tf.keras.activations.gelu(x, approximate=True),
    "relu": tf.keras.activations.relu,
}


@dataclasses.dataclass(frozen=True)
class BackboneConfig:
    """The shape of a BERT encoder.

    Attributes:
        vocabulary_size: Number of word pieces.
        num_layers: Number of Transformer blocks.
        num_heads: Attention heads a block.
        hidden_dim: Width of the encoder; a multiple of `num_heads`.
        intermediate_dim: Width of a block's feed-forward layer.
        max_positions: Longest sequence, in word pieces.
        num_segments: Number of segment embeddings.
        activation: Of the feed-forward layer: "gelu" (exact, by the error function: BERT as Hugging Face runs it),
            "gelu_approximate" (by tanh: BERT as Google and KerasNLP run it) or "relu".
        pooling: What linear heads read: "pooler" (BERT's tanh layer over the first position), "cls" (the first
            position's output) or "mean" (over all positions). Only an encoder of pooling "pooler" has a pooler.
    """

    vocabulary_size: int
    num_layers: int
    num_heads: int
    hidden_dim: int
    intermediate_dim: int
    max_positions: int = 512
    num_segments: int = 2
    activation: str = "gelu"
    pooling: str = POOLER

    def __post_init__(self) -> None:
        if self.activation not in ACTIVATIONS:
            raise unknown_name("activation of the backbone", str(self.activation), ACTIVATIONS)
        if self.pooling not in POOLINGS:
            raise unknown_name("pooling of the backbone", str(self.pooling), POOLINGS)
        if self.hidden_dim % self.num_heads:
            raise UserError(
                f"hidden_dim {self.hidden_dim} of the backbone is not a multiple of num_heads {self.num_heads}"
            )

    def to_json(self) -> dict[str, Any]:
        """Returns the fields as JSON values, without the default pooling, which earlier versions did not write."""
        return {name: value for name, value in dataclasses.asdict(self).items() if (name, value) != ("pooling", POOLER)}


class PooledBertBackbone(keras_nlp.models.BertBackbone):
    """KerasNLP's BERT encoder that knows what linear heads read of it.

    Attributes:
        pooling: One of `POOLINGS`; set by `build_keras_nlp_backbone`.
    """

    pooling: str = POOLER


# No layer's call has Python loops that are to become a graph's; to translate KerasNLP's takes longer than all the rest.
@tf.autograph.experimental.do_not_convert
def build_keras_nlp_backbone(config: BackboneConfig, dropout: float = 0.1) -> PooledBertBackbone:
    """Builds a BERT encoder of KerasNLP's own layers, with random weights and the config's activation and pooling.

    Args:
        config: The shape of the encoder.
        dropout: Dropout rate of embeddings, attention and feed-forward layers ("shared layers" in 1904.09482 sec. 4).

    Returns:
        A functional model from `token_ids`, `segment_ids`, `padding_mask` to `sequence_output`, `pooled_output`.
    """
    backbone = PooledBertBackbone(
        vocabulary_size=config.vocabulary_size,
        num_layers=config.num_layers,
        num_heads=config.num_heads,
        hidden_dim=config.hidden_dim,
        intermediate_dim=config.intermediate_dim,
        max_sequence_length=config.max_positions,
        num_segments=config.num_segments,
        dropout=dropout,
        name=BACKBONE,
    )
    backbone.pooling = config.pooling
    # The pooler of other poolings is no part of the model: it gets no gradient, and no file holds it.
    backbone.pooled_dense.trainable = config.pooling == POOLER
    activation = ACTIVATIONS[config.activation]
    # KerasNLP takes no activation for BERT and always approximates GELU by tanh, which moves outputs by up to 1e-2.
    for layer in backbone.transformer_layers:
        layer.activation = activation
        layer._feedforward_intermediate_dense.activation = activation
    return backbone


def build_backbone(config: BackboneConfig, dropout: float = 0.1) -> PooledBertBackbone:
    """Builds the encoder of `build_keras_nlp_backbone` with faster layers for the same outputs.

    Args:
        config: The shape of the encoder.
        dropout: Dropout rate, see `build_keras_nlp_backbone`.
    """
    backbone = build_keras_nlp_backbone(config, dropout)
    # KerasNLP takes no class of blocks. The layer keeps its variables and their names; its call alone changes.
    for layer in backbone.transformer_layers:
        layer.__class__ = EncoderBlock
    for layer in backbone._flatten_layers():
        if type(layer) is tf.keras.layers.Dropout:
            layer.__class__ = SixteenBitDropout
    return backbone
