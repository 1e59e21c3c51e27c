"""What a pre-trained encoder brings, from whatever kind of folder it was read."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mtdnn_tf.data.word_pieces import WordPieceTokenizer
from mtdnn_tf.errors import UserError
from mtdnn_tf.json_files import read_json_object
from mtdnn_tf.modeling.backbone import BackboneConfig
from mtdnn_tf.modeling.pooling import AUTO, POOLER, POOLER_WEIGHTS

TOKENIZER_CONFIG = "tokenizer_config.json"


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

    def tokenizer(self) -> WordPieceTokenizer:
        """Returns the encoder's tokenizer."""
        return WordPieceTokenizer(self.vocabulary, self.lowercase)

    def check_length(self, max_sequence_length: int) -> None:
        """Refuses sequences longer than the encoder has positions for.

        Raises:
            UserError: `max_sequence_length` is too long, or too short for [CLS] a [SEP] b [SEP].
        """
        if not 8 <= max_sequence_length <= self.config.max_positions:
            raise UserError(
                f"--max_sequence_length takes 8 to {self.config.max_positions} (positions of {self.source}), "
                f"{max_sequence_length} given"
            )


def with_pooling(pretrained: PretrainedBackbone, pooling: str) -> PretrainedBackbone:
    """Returns the encoder with the pooling that the user chose.

    Args:
        pretrained: The encoder, with the pooling that its checkpoint asks for.
        pooling: One of `POOLINGS`, or "auto" for the checkpoint's.

    Raises:
        UserError: The checkpoint has no pooler and `pooling` is "pooler".
    """
    if pooling in (AUTO, pretrained.config.pooling):
        return pretrained
    if pooling == POOLER and pretrained.weights and not all(name in pretrained.weights for name in POOLER_WEIGHTS):
        raise UserError(f"--pooling must be auto, cls or mean where {pretrained.source} has no pooler, got {pooling}")
    return dataclasses.replace(pretrained, config=dataclasses.replace(pretrained.config, pooling=pooling))


def is_uncased(vocabulary: Sequence[str]) -> bool:
    """Tells whether a vocabulary has no word piece with an upper-case letter, special tokens like [CLS] aside."""
    return all(piece == piece.lower() for piece in vocabulary if not piece.startswith("["))


def written_lowercase(folder: Path) -> bool | None:
    """Returns whether a folder's tokenizer_config.json says that texts are lower-cased, or None if it does not say.

    Raises:
        UserError: It asks for a treatment of texts that `data.word_pieces` does not have.
    """
    path = folder / TOKENIZER_CONFIG
    if not path.is_file():
        return None
    values = read_json_object(path)
    lowercase = values.get("do_lower_case")
    if lowercase is not None and not isinstance(lowercase, bool):
        raise UserError(f"{path}: do_lower_case takes true or false, {lowercase!r} given")
    accents = values.get("strip_accents")
    if accents is not None and lowercase is not None and accents != lowercase:
        raise UserError(
            f"{path}: strip_accents null, or as do_lower_case, is accepted: accents are stripped where texts are "
            f"lower-cased; strip_accents {accents}, do_lower_case {lowercase} given"
        )
    if values.get("tokenize_chinese_chars") is False:
        raise UserError(f"{path}: tokenize_chinese_chars true is accepted (BERT's), false given")
    return lowercase


def tokenizer_settings(pretrained: PretrainedBackbone) -> dict[str, Any]:
    """Returns the values of tokenizer_config.json, from which transformers builds BERT's tokenizer."""
    return {
        "tokenizer_class": "BertTokenizer",
        "do_lower_case": pretrained.lowercase,
        "strip_accents": None,
        "tokenize_chinese_chars": True,
        "model_max_length": pretrained.config.max_positions,
        "unk_token": "[UNK]",
        "sep_token": "[SEP]",
        "pad_token": "[PAD]",
        "cls_token": "[CLS]",
        "mask_token": "[MASK]",
    }
