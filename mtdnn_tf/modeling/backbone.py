"""The shape and the numerics of the shared BERT encoder."""

from __future__ import annotations

import dataclasses

from mtdnn_tf.errors import UserError, unknown_name
from mtdnn_tf.json_files import OMITTED

GELU = "gelu"
ACTIVATIONS = (GELU, "gelu_approximate", "relu")
AUTO = "auto"
POOLER = "pooler"
CLS = "cls"
MEAN = "mean"
POOLINGS = (POOLER, CLS, MEAN)
FLOAT32 = "float32"
MIXED_FLOAT16 = "mixed_float16"
# What the encoder computes in; variables, heads and losses stay in float32.
PRECISIONS = (FLOAT32, "mixed_bfloat16", MIXED_FLOAT16)


@dataclasses.dataclass(frozen=True)
class BackboneConfig:
    """The shape of a BERT encoder."""

    vocabulary_size: int
    num_layers: int
    num_heads: int  # Attention heads per block.
    hidden_dim: int  # Width of the encoder; a multiple of `num_heads`.
    intermediate_dim: int  # Width of a block's feed-forward layer.
    max_positions: int = 512
    num_segments: int = 2
    # Of the feed-forward layer: "gelu" (exact, by the error function: BERT as Hugging Face runs it), "gelu_approximate"
    # (by tanh: BERT as Google and KerasNLP run it) or "relu".
    activation: str = GELU
    # What linear heads read: "pooler" (BERT's tanh layer over the first position, which no other encoder has), "cls"
    # (the first position's output) or "mean" (over all positions).
    pooling: str = dataclasses.field(default=POOLER, metadata={OMITTED: True})

    def __post_init__(self) -> None:
        for name, accepted in (("activation", ACTIVATIONS), ("pooling", POOLINGS)):
            if getattr(self, name) not in accepted:
                raise unknown_name(f"{name} of the backbone", str(getattr(self, name)), accepted)
        if self.hidden_dim % self.num_heads:
            raise UserError(
                f"hidden_dim {self.hidden_dim} of the backbone is not a multiple of num_heads {self.num_heads}"
            )
