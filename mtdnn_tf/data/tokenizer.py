"""What every tokenizer is to the code that encodes and serves."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import tensorflow as tf

from mtdnn_tf.data.byte_pairs import BytePairTokenizer
from mtdnn_tf.data.sentence_pieces import SentencePieceTokenizer
from mtdnn_tf.data.word_pieces import TokenRules, WordPieceTokenizer


class Tokenizer(Protocol):
    """Splits texts into the pieces of a vocabulary, in TensorFlow operations."""

    vocabulary: tuple[str, ...]
    lowercase: bool
    rules: TokenRules
    pad_id: int
    unknown_id: int
    start_id: int
    end_id: int
    ends_between: int  # Tokens that end the first text of a pair.
    module: tf.Module | None  # What of it a SavedModel must track, if anything.

    def tokenize(self, texts: tf.Tensor) -> tf.RaggedTensor:
        """Returns the ids of the pieces of each text, int32 [batch, None]."""

    def fingerprint(self) -> str:
        """Returns the hexadecimal SHA-256 of all that decides which ids a text gets."""

    def __hash__(self) -> int:
        """By identity, so that a traced function is kept for a tokenizer."""


def make_tokenizer(vocabulary: Sequence[str], lowercase: bool, rules: TokenRules) -> Tokenizer:
    """Returns the tokenizer of a vocabulary: of byte pairs if there are merges, SentencePiece's if there are scores."""
    if rules.merges:
        return BytePairTokenizer(vocabulary, rules)
    if rules.scores:
        return SentencePieceTokenizer(vocabulary, lowercase, rules)
    return WordPieceTokenizer(vocabulary, lowercase, rules)
