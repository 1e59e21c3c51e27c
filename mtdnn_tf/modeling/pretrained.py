"""What a pre-trained encoder brings, from whatever kind of folder it was read."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np

from mtdnn_tf.modeling.backbone import BackboneConfig


@dataclasses.dataclass(frozen=True)
class PretrainedBackbone:
    """A pre-trained encoder before it is built.

    Attributes:
        source: Where it came from, for messages and manifests.
        config: The encoder's shape.
        vocabulary: Word pieces in the order of their ids.
        lowercase: Whether texts are lower-cased and stripped of accents.
        weights: Arrays by name in Hugging Face's layout; empty for random weights.
    """

    source: str
    config: BackboneConfig
    vocabulary: tuple[str, ...]
    lowercase: bool
    weights: Mapping[str, np.ndarray]


def is_uncased(vocabulary: Sequence[str]) -> bool:
    """Tells whether a vocabulary has no word piece with an upper-case letter, special tokens like [CLS] aside."""
    return all(piece == piece.lower() for piece in vocabulary if not piece.startswith("["))
