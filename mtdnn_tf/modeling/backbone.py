"""The shape and the numerics of the shared encoder."""

from __future__ import annotations

import dataclasses
import math

from mtdnn_tf.errors import UserError, unknown_name
from mtdnn_tf.json_files import OMITTED

GELU = "gelu"
ACTIVATIONS = (GELU, "gelu_approximate", "relu")
AUTO = "auto"
POOLER = "pooler"
CLS = "cls"
MEAN = "mean"
POOLINGS = (POOLER, CLS, MEAN)
BERT = "bert"
EPSILON = 1e-12
# The score of what a softmax is to give no weight.
MASKED = -1e9
# No weight would limit positions that are relative.
MOST_RELATIVE_POSITIONS = 1 << 16
_LARGEST_WINDOW = 1 << 24
FLOAT32 = "float32"
MIXED_FLOAT16 = "mixed_float16"
# What the encoder computes in; variables, heads and losses stay in float32.
PRECISIONS = (FLOAT32, "mixed_bfloat16", MIXED_FLOAT16)


@dataclasses.dataclass(frozen=True)
class BackboneConfig:
    """The shape of an encoder of BERT's kind; fields with defaults are BERT's."""

    vocabulary_size: int
    num_layers: int
    num_heads: int  # Attention heads per block.
    hidden_dim: int  # Width of the encoder; a multiple of `num_heads`.
    intermediate_dim: int  # Width of a block's feed-forward layer.
    max_positions: int = 512
    num_segments: int = 2  # 0: no embeddings of segments.
    # Of the feed-forward layer: "gelu" (exact, by the error function: BERT as Hugging Face runs it), "gelu_approximate"
    # (by tanh: BERT as Google and KerasNLP run it) or "relu".
    activation: str = GELU
    # What linear heads read: "pooler" (BERT's tanh layer over the first position, which no other encoder has), "cls"
    # (the first position's output) or "mean" (over all positions).
    pooling: str = dataclasses.field(default=POOLER, metadata={OMITTED: True})
    # Which family of encoders it is in Hugging Face's layout, that it is written back as.
    model_type: str = dataclasses.field(default=BERT, metadata={OMITTED: True})
    # Whether all layers are one, run `num_layers` times (ALBERT); its embeddings are projected in any width.
    shares_layers: bool = dataclasses.field(default=False, metadata={OMITTED: True})
    # Width of the embeddings, `hidden_dim` by default; of another width they are projected after their normalization.
    embedding_dim: int | None = dataclasses.field(default=None, metadata={OMITTED: True})
    # Rows of the table of positions before that of a text's first token; `max_positions` does not count them.
    position_offset: int = dataclasses.field(default=0, metadata={OMITTED: True})
    # What LayerNorm adds to the variance.
    norm_epsilon: float = dataclasses.field(default=EPSILON, metadata={OMITTED: True})
    # Rows for each direction in a table of relative positions, in place of absolute ones (DeBERTa); 0: no such table.
    position_buckets: int = dataclasses.field(default=0, metadata={OMITTED: True})
    # Of ModernBERT, whose blocks normalize first, rotate positions and gate: to how many positions at each side a
    # position attends in each layer (local attention), 0 for all of them (global attention). Empty: BERT's blocks.
    windows: tuple[int, ...] = dataclasses.field(default=(), metadata={OMITTED: True})
    # The bases of rotary positions in layers of global and of local attention.
    global_rotary_base: float = dataclasses.field(default=0.0, metadata={OMITTED: True})
    local_rotary_base: float = dataclasses.field(default=0.0, metadata={OMITTED: True})

    def __post_init__(self) -> None:
        for name, accepted in (("activation", ACTIVATIONS), ("pooling", POOLINGS)):
            if getattr(self, name) not in accepted:
                raise unknown_name(f"{name} of the backbone", str(getattr(self, name)), accepted)
        if self.hidden_dim % self.num_heads:
            raise UserError(
                f"hidden_dim {self.hidden_dim} of the backbone is not a multiple of num_heads {self.num_heads}"
            )
        if not 0 < self.norm_epsilon < 1 or self.num_segments < 0 or self.position_offset < 0:
            raise UserError(
                "the backbone must have norm_epsilon between 0 and 1, num_segments and position_offset >= 0, got "
                f"{self.norm_epsilon}, {self.num_segments} and {self.position_offset}"
            )
        if self.position_buckets and (self.position_buckets < 2 or self.max_positions > MOST_RELATIVE_POSITIONS):
            raise UserError(
                "the backbone must have position_buckets >= 2, and with them max_positions <= "
                f"{MOST_RELATIVE_POSITIONS}, got {self.position_buckets} and {self.max_positions}"
            )
        if self.windows:
            self._check_windows()

    def _check_windows(self) -> None:
        if len(self.windows) != self.num_layers or not all(0 <= window <= _LARGEST_WINDOW for window in self.windows):
            given = ", ".join(map(str, self.windows[:9]))
            raise UserError(f"windows of the backbone must be {self.num_layers} numbers >= 0, one a layer, got {given}")
        if self.num_segments or self.position_buckets or self.has_projection:
            raise UserError("with windows, the backbone must have no segments, position_buckets or other embedding_dim")
        if (self.hidden_dim // self.num_heads) % 2:
            raise UserError(
                "with windows, the backbone's width of a head must be even, got hidden_dim "
                f"{self.hidden_dim} and num_heads {self.num_heads}"
            )
        if not (1 <= self.global_rotary_base < math.inf and 1 <= self.local_rotary_base < math.inf):
            raise UserError(
                "the bases of rotary positions must be numbers >= 1, got "
                f"{self.global_rotary_base} and {self.local_rotary_base}"
            )

    @property
    def is_bert(self) -> bool:
        """Whether its architecture is BERT's own, which layouts of other frameworks have."""
        return self.model_type == BERT and self.norm_epsilon == EPSILON

    @property
    def has_modern_blocks(self) -> bool:
        """Whether blocks are those of ModernBERT; their positions are relative, and have no embeddings."""
        return bool(self.windows)

    @property
    def has_positions(self) -> bool:
        """Whether there are embeddings of absolute positions."""
        return not self.position_buckets and not self.windows

    def rotary_base(self, layer: int) -> float:
        """Returns the base of rotary positions in a layer."""
        return self.local_rotary_base if self.windows[layer] else self.global_rotary_base

    @property
    def num_own_layers(self) -> int:
        """The number of layers that have weights of their own."""
        return 1 if self.shares_layers else self.num_layers

    def own_layer(self, index: int) -> int:
        """Returns the number of the layer whose weights a layer has."""
        return 0 if self.shares_layers else index

    @property
    def embedding_width(self) -> int:
        """The width of the embeddings."""
        return self.hidden_dim if self.embedding_dim is None else self.embedding_dim

    @property
    def has_projection(self) -> bool:
        """Whether the embeddings are projected to the encoder's width."""
        return self.shares_layers or self.embedding_width != self.hidden_dim
