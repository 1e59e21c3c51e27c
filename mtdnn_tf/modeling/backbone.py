"""The shape of the shared BERT encoder."""

from __future__ import annotations

import dataclasses
from typing import Any

from mtdnn_tf.errors import UserError, unknown_name
from mtdnn_tf.modeling.pooling import POOLER, POOLINGS

GELU = "gelu"
ACTIVATIONS = (GELU, "gelu_approximate", "relu")


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
    activation: str = GELU
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
