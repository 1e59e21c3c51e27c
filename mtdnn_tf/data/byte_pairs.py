"""Byte-level byte-pair encoding (GPT-2's, RoBERTa's, ModernBERT's) in TensorFlow operations."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import tensorflow as tf
import tensorflow_text as tf_text

from mtdnn_tf.data.word_pieces import TokenRules, longest_of, special_ids
from mtdnn_tf.errors import UserError
from mtdnn_tf.json_files import fingerprint, to_json

# Unicode's white space; RE2's \s is ASCII's.
_SPACE = r"\t-\r\x{20}\x{85}\x{A0}\x{1680}\x{2000}-\x{200A}\x{2028}\x{2029}\x{202F}\x{205F}\x{3000}"
# GPT-2's words. Of several spaces before a word the last one is not of the run before it, which GPT-2 says by looking
# ahead; RE2 cannot, and cuts runs of spaces first.
_WORD = rf"('s|'t|'re|'ve|'m|'ll|'d| ?\p{{L}}+| ?\p{{N}}+| ?[^{_SPACE}\p{{L}}\p{{N}}]+|[{_SPACE}]+)"
_LAST_SPACE = rf"([{_SPACE}])([{_SPACE}][^{_SPACE}])"
# No text in UTF-8 has this byte.
_CUT = b"\xff"
_AROUND = _CUT + b"\\1" + _CUT
_NO_RANK = np.iinfo(np.int32).max


def byte_characters() -> list[str]:
    """Returns the printable character that stands for each byte in a vocabulary."""
    printable = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
    others = (byte for byte in range(256) if byte not in set(printable))
    characters = {**{byte: chr(byte) for byte in printable}, **{byte: chr(256 + n) for n, byte in enumerate(others)}}
    return [characters[byte] for byte in range(256)]


class BytePairTokenizer:
    """Splits texts into words, and their bytes, merged by learned rules, into a vocabulary's pieces.

    Special tokens that are written out in a text, such as "<s>", are characters like any other. Added tokens are
    matched before words are split.

    Args:
        vocabulary: Pieces in the order of their ids, one of each byte among them, bytes as `byte_characters` writes.
        rules: With merges, the first ones applied first, and the names of special tokens.
    """

    lowercase = False
    module = None

    def __init__(self, vocabulary: Sequence[str], rules: TokenRules) -> None:
        self.vocabulary = tuple(vocabulary)
        self.rules = rules
        self.ends_between = 1 if rules.has_one_end else 2  # Tokens that end the first text of a pair.
        special = special_ids(self.vocabulary, rules)
        self.pad_id, self.unknown_id, self.start_id, self.end_id = special.values()
        added = [token for token in rules.added if token.content not in {*special, rules.mask}]
        plain = {token.content.encode(): token.id for token in added if not token.normalized}
        normalized = {
            self._normalized_content(token.content): token.id for token in reversed(added) if token.normalized
        }
        self._added = {**normalized, **plain}
        self._cuts = [longest_of([content.decode() for content in found]) for found in (plain, normalized)]
        id_of = {piece: number for number, piece in enumerate(self.vocabulary)}
        if lacking := [character for character in byte_characters() if character not in id_of]:
            raise UserError(f"vocabulary: must have a piece for each of the 256 bytes, lacks {lacking[0]!r}")
        self._of_bytes = np.array([id_of[character] for character in byte_characters()], np.int32)
        merged = _merged_ids(rules.merges, id_of)
        order = sorted(range(len(merged)), key=lambda rank: merged[rank][:2])
        self._ranks = np.array(order, np.int32)
        self._merged = np.array([merged[rank][2] for rank in order], np.int32)
        self._pairs = np.array([self._pair(*merged[rank][:2]) for rank in order], np.int64)
        self._is_rising = _is_rising(merged, set(self._of_bytes.tolist()))

    def fingerprint(self) -> str:
        """Returns the hexadecimal SHA-256 of all that decides which ids a text gets."""
        return fingerprint({"vocabulary": self.vocabulary, "byte_pairs": to_json(self.rules)})

    def tokenize(self, texts: tf.Tensor) -> tf.RaggedTensor:
        """Returns the ids of the pieces of each text, int32 [batch, None]; pure TensorFlow operations.

        `texts` are string [batch], UTF-8; invalid bytes are dropped.
        """
        texts = tf.strings.unicode_transcode(texts, "UTF-8", "UTF-8", errors="ignore")
        if not self._added:
            return self._pieces(self._normalize(texts))
        parts, added = self._split_around_added(texts)
        # One byte is a piece, in whose place is the added token.
        pieces = self._pieces(tf.where(added < 0, parts.values, "!"))
        added = tf.gather(added, pieces.value_rowids())
        ids = tf.where(added < 0, pieces.values, added)
        return tf.RaggedTensor.from_row_splits(ids, tf.gather(pieces.row_splits, parts.row_splits), validate=False)

    def _normalize(self, texts: tf.Tensor) -> tf.Tensor:
        return tf_text.normalize_utf8(texts, "NFC") if self.rules.composes else texts

    def _normalized_content(self, content: str) -> bytes:
        return bytes(self._normalize(tf.constant([content])).numpy()[0])

    def _split_around_added(self, texts: tf.Tensor) -> tuple[tf.RaggedTensor, tf.Tensor]:
        """Returns the parts of each text, normalized, and the id of each that is an added token, else -1.

        Of added tokens the leftmost longest is matched, of those that are not normalized first.
        """
        plain, normalized = self._cuts
        parts = tf.strings.split(tf.strings.regex_replace(texts, f"({plain})", _AROUND), _CUT)
        is_text = self._added_ids(parts.values) < 0
        smaller = tf.strings.regex_replace(self._normalize(parts.values), f"({normalized})", _AROUND)
        found = tf.strings.split(tf.where(is_text, smaller, parts.values), _CUT)
        splits = tf.gather(found.row_splits, parts.row_splits)
        return tf.RaggedTensor.from_row_splits(found.values, splits, validate=False), self._added_ids(found.values)

    def _added_ids(self, parts: tf.Tensor) -> tf.Tensor:
        """Returns the ids of parts that are added tokens, -1 for others."""
        is_one = tf.equal(parts[:, tf.newaxis], tf.constant(list(self._added)))
        ids = tf.gather(tf.constant(list(self._added.values()), tf.int32), tf.argmax(tf.cast(is_one, tf.int32), axis=1))
        return tf.where(tf.reduce_any(is_one, axis=1), ids, -1)

    def _pieces(self, texts: tf.Tensor) -> tf.RaggedTensor:
        """Returns the ids of the pieces of each text."""
        cut = tf.strings.regex_replace(texts, _LAST_SPACE, b"\\1" + _CUT + b"\\2")
        words = tf.strings.split(tf.strings.regex_replace(cut, _WORD, b"\\1" + _CUT), _CUT)
        # Latin-1 has a character for each byte.
        letters = tf.strings.unicode_decode(words.values, "ISO-8859-1")
        ids, of_word = tf.gather(self._of_bytes, letters.values), tf.cast(letters.value_rowids(), tf.int32)
        num_words = tf.cast(letters.nrows(), tf.int32)
        ids, of_word, _ = tf.while_loop(
            lambda ids, of_word, goes_on: goes_on,
            lambda ids, of_word, goes_on: self._merge(ids, of_word, num_words),
            [ids, of_word, tf.size(ids) > 0],
            shape_invariants=[tf.TensorShape([None]), tf.TensorShape([None]), tf.TensorShape([])],
        )
        of_text = tf.gather(words.value_rowids(), of_word)
        return tf.RaggedTensor.from_value_rowids(ids, of_text, words.nrows(), validate=False)

    def _pair(self, first: int, second: int) -> int:
        return first * len(self.vocabulary) + second

    def _merge(self, ids: tf.Tensor, of_word: tf.Tensor, num_words: tf.Tensor) -> list[tf.Tensor]:
        """Merges the best pair of each word, and returns whether there was one.

        It is merged wherever it is in the word if no merge can make a pair of a better rank, else where it is first.
        """
        pairs = tf.cast(ids[:-1], tf.int64) * len(self.vocabulary) + tf.cast(ids[1:], tf.int64)
        place = tf.raw_ops.LowerBound(sorted_inputs=self._pairs[None], values=pairs[None])[0]
        place = tf.minimum(place, len(self._pairs) - 1)
        is_known = tf.equal(tf.gather(self._pairs, place), pairs) & tf.equal(of_word[:-1], of_word[1:])
        ranks = tf.where(is_known, tf.gather(self._ranks, place), _NO_RANK)
        best = tf.math.unsorted_segment_min(ranks, of_word[:-1], num_words)
        is_best = is_known & tf.equal(ranks, tf.gather(best, of_word[:-1]))
        places = tf.range(tf.size(is_best))
        if self._is_rising:
            # Of a run of overlapping pairs, every other one from its left.
            others = tf.concat([[-1], tf.boolean_mask(places, ~is_best)], axis=0)
            in_run = places - tf.gather(others, tf.cumsum(tf.cast(~is_best, tf.int32)))
            is_merged = is_best & tf.equal(in_run % 2, 1)
        else:
            first = tf.math.unsorted_segment_min(tf.where(is_best, places, _NO_RANK), of_word[:-1], num_words)
            is_merged = tf.equal(places, tf.gather(first, of_word[:-1]))
        ids = tf.concat([tf.where(is_merged, tf.gather(self._merged, place), ids[:-1]), ids[-1:]], axis=0)
        kept = ~tf.concat([[False], is_merged], axis=0)
        return [tf.boolean_mask(ids, kept), tf.boolean_mask(of_word, kept), tf.reduce_any(is_merged)]


def _merged_ids(merges: Sequence[str], id_of: dict[str, int]) -> list[tuple[int, int, int]]:
    """Returns the ids of both parts and of the result of each merge, "first second"."""
    found: dict[tuple[int, int], int] = {}
    for number, merge in enumerate(merges):
        first, _, second = merge.partition(" ")
        parts = id_of.get(first, -1), id_of.get(second, -1)
        if -1 in parts or first + second not in id_of or parts in found:
            raise UserError(
                f"merge {number + 1}, {merge[:50]!r}: must be two pieces that make one, all of the vocabulary, and no "
                "duplicate"
            )
        found[parts] = id_of[first + second]
    if not found:
        raise UserError("byte-pair encoding needs one merge or more, got none")
    return [(*parts, result) for parts, result in found.items()]


def _is_rising(merged: Sequence[tuple[int, int, int]], made: set[int]) -> bool:
    """Returns whether each merge's parts are made only before it, as in training; `made` has the bytes."""
    for first, second, result in merged:
        if first not in made or second not in made or result in made:
            return False
        made.add(result)
    return True
