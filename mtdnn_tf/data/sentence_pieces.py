"""SentencePiece's unigram tokenizer (XLM-R's, ALBERT's, DeBERTa's) by TF.Text, and the message that its model is."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf
import tensorflow_text as tf_text
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

from mtdnn_tf.data.word_pieces import TokenRules, check_vocabulary, special_ids
from mtdnn_tf.errors import UserError
from mtdnn_tf.json_files import fingerprint, to_json

SPACE = "\u2581"  # What stands for a space in pieces.
UNIGRAM = 1
NORMAL, UNKNOWN, CONTROL, USER_DEFINED, UNUSED, BYTE = 1, 2, 3, 4, 5, 6  # Types of pieces.
# Longer keys are in no rules; SentencePiece has room for 32 matches at a place.
_MOST_BYTES_REPLACED = 32
_MOST_UNITS = 1 << 17  # SentencePiece's own rules have half as many.
_BYTE = re.compile("<0x[0-9A-F]{2}>")
_UNKNOWN_CHARACTER = "\U0010fffd"
_FIELD = descriptor_pb2.FieldDescriptorProto
# The fields of sentencepiece_model.proto that matter here, with number, type and default.
_MESSAGES: dict[str, list[tuple[str, int, int, str]]] = {
    "SentencePiece": [
        ("piece", 1, _FIELD.TYPE_STRING, ""),
        ("score", 2, _FIELD.TYPE_FLOAT, "0"),
        ("type", 3, _FIELD.TYPE_INT32, str(NORMAL)),
    ],
    "TrainerSpec": [
        ("model_type", 3, _FIELD.TYPE_INT32, str(UNIGRAM)),
        ("treat_whitespace_as_suffix", 24, _FIELD.TYPE_BOOL, "false"),
        ("byte_fallback", 35, _FIELD.TYPE_BOOL, "false"),
    ],
    "NormalizerSpec": [
        ("precompiled_charsmap", 2, _FIELD.TYPE_BYTES, ""),
        ("add_dummy_prefix", 3, _FIELD.TYPE_BOOL, "true"),
        ("remove_extra_whitespaces", 4, _FIELD.TYPE_BOOL, "true"),
        ("escape_whitespaces", 5, _FIELD.TYPE_BOOL, "true"),
    ],
}
_MODEL = (("pieces", "SentencePiece"), ("trainer_spec", "TrainerSpec"), ("normalizer_spec", "NormalizerSpec"))
_PACKAGE = "mtdnn_tf.sentencepiece"


def _model_class() -> Any:
    """Returns the class of the message ModelProto."""
    file = descriptor_pb2.FileDescriptorProto(name="mtdnn_tf/sentencepiece.proto", package=_PACKAGE)
    for name, fields in _MESSAGES.items():
        message = file.message_type.add(name=name)
        for field, number, kind, default in fields:
            optional = {"label": _FIELD.LABEL_OPTIONAL, "default_value": default}
            message.field.add(name=field, number=number, type=kind, **optional)
    model = file.message_type.add(name="ModelProto")
    for number, (part, of_type) in enumerate(_MODEL, start=1):
        label = _FIELD.LABEL_REPEATED if part == "pieces" else _FIELD.LABEL_OPTIONAL
        reference = {"type": _FIELD.TYPE_MESSAGE, "type_name": f".{_PACKAGE}.{of_type}"}
        model.field.add(name=part, number=number, label=label, **reference)
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{_PACKAGE}.ModelProto"))


ModelProto = _model_class()


def is_byte(piece: str) -> bool:
    """Returns whether a piece is the name of one that stands for a byte."""
    return _BYTE.fullmatch(piece) is not None


def charsmap_bytes(charsmap: str) -> bytes:
    """Returns rules of normalization, given as base64.

    They are the size of a trie (a double array of Darts), the trie, and texts that end with NUL, by whose offset its
    leaves replace what they match. SentencePiece follows them unchecked.

    Raises:
        UserError: They are damaged: a place of the trie, or a text, is beyond their end.
    """
    try:
        content = base64.b64decode(charsmap, validate=True)
    except (binascii.Error, ValueError):
        content = b"-"
    if not content:
        return content
    size = int.from_bytes(content[:4], "little")
    units, texts = content[4 : 4 + size], content[4 + size :]
    is_whole = 4 <= size <= 4 * _MOST_UNITS and size % 4 == 0 and len(units) == size
    if is_whole and _is_trie(np.frombuffer(units, "<u4").astype(np.int64), texts):
        return content
    raise UserError("precompiled_charsmap must be SentencePiece's rules of normalization, is damaged")


def _is_trie(units: np.ndarray, texts: bytes) -> bool:
    """Returns whether all places that texts could lead to are units, and all replacements are texts."""
    nodes, labels = np.zeros(1, np.int64), np.arange(256)
    for _ in range(_MOST_BYTES_REPLACED):
        # Of the children of a node, whose labels tell them from others; its value is at its base.
        unit = units[nodes]
        base = nodes ^ ((unit >> 10) << ((unit & (1 << 9)) >> 6))
        if (base | 255).max(initial=0) >= len(units):
            return False
        values = units[base[(unit >> 8) & 1 == 1]] & 0x7FFFFFFF
        if values.size and (not texts.endswith(b"\0") or values.max() >= len(texts)):
            return False
        children = base[:, None] ^ labels
        nodes = np.unique(children[(units[children] & 0x800000FF) == labels])
        if not nodes.size:
            return True
    return False


class SentencePieceTokenizer:
    """Splits texts into the most likely pieces of a vocabulary, after ALBERT's and SentencePiece's normalization.

    Special tokens that are written out in a text, such as "<s>", are characters like any other.

    Args:
        vocabulary: Pieces in the order of their ids; "\u2581" in a piece stands for a space.
        lowercase: Whether letters are lower-cased, and stripped of accents by default.
        rules: With a score per piece, the rules of normalization, and the names of special tokens.
    """

    def __init__(self, vocabulary: Sequence[str], lowercase: bool, rules: TokenRules) -> None:
        self.vocabulary = tuple(vocabulary)
        self.lowercase = lowercase
        self.rules = rules
        check_vocabulary(self.vocabulary, "vocabulary: entry {}".format)
        self.pad_id, self.unknown_id, self.start_id, self.end_id = special_ids(self.vocabulary, rules).values()
        self.ends_between = rules.ends_between
        if len(rules.scores) != len(self.vocabulary):
            given = f"{len(rules.scores)} scores, {len(self.vocabulary)} pieces"
            raise UserError(f"vocabulary: must have a score per piece, got {given}")
        model = self._model().SerializeToString()
        try:
            self.module = tf_text.SentencepieceTokenizer(model, out_type=tf.int32)
        except (tf.errors.OpError, ValueError) as error:
            raise UserError(f"vocabulary: no model of SentencePiece ({str(error).splitlines()[0][:80]})") from None

    def fingerprint(self) -> str:
        """Returns the hexadecimal SHA-256 of all that decides which ids a text gets."""
        rules = {"sentence_pieces": to_json(self.rules), "lowercase": self.lowercase}
        return fingerprint({"vocabulary": self.vocabulary, **rules})

    def tokenize(self, texts: tf.Tensor) -> tf.RaggedTensor:
        """Returns the ids of the pieces of each text, int32 [batch, None]; TensorFlow's and TF.Text's operations.

        `texts` are string [batch], UTF-8; invalid bytes are dropped.
        """
        texts = tf.strings.unicode_transcode(texts, "UTF-8", "UTF-8", errors="ignore")
        if self.rules.joins_quotes:
            texts = tf.strings.regex_replace(texts, "``|''", '"')
        if self.lowercase if self.rules.strip_accents is None else self.rules.strip_accents:
            texts = tf.strings.regex_replace(tf_text.normalize_utf8(texts, "NFKD"), r"\pM", "")
        if self.lowercase:
            # It ends a text for TensorFlow, and is as unknown as this character.
            texts = tf.strings.regex_replace(texts, r"\x00", _UNKNOWN_CHARACTER)
            texts = tf.strings.lower(texts, encoding="utf-8")
        return self.module.tokenize(texts)

    def _model(self) -> Any:
        """Returns the model with the vocabulary's order of pieces."""
        rules, model = self.rules, ModelProto()
        special = {rules.pad, rules.start, rules.end, rules.mask}
        for piece, score in zip(self.vocabulary, rules.scores):
            kind = UNKNOWN if piece == rules.unknown else CONTROL if piece in special else NORMAL
            # No word has one: Hugging Face's tokenizers split texts at spaces first.
            if kind == NORMAL and SPACE in piece[1:]:
                kind = UNUSED
            elif kind == NORMAL and rules.has_bytes and is_byte(piece):
                kind = BYTE
            model.pieces.add(piece=piece, score=score, type=kind)
        model.trainer_spec.model_type = UNIGRAM
        model.trainer_spec.byte_fallback = rules.has_bytes
        model.normalizer_spec.precompiled_charsmap = charsmap_bytes(rules.charsmap)
        return model
