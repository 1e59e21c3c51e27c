"""BERT's tokenizer in TensorFlow operations: one code encodes training data and answers in a SavedModel."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import tensorflow as tf
import tensorflow_text as tf_text

from mtdnn_tf.errors import UserError
from mtdnn_tf.json_files import fingerprint

PAD = "[PAD]"
UNKNOWN = "[UNK]"
START = "[CLS]"
END = "[SEP]"

# A longer word becomes one [UNK], as in Hugging Face's tokenizers.
MAX_CHARACTERS_PER_WORD = 100

# TF.Text takes no longer one.
MAX_BYTES_PER_PIECE = 256

# Regular expressions of RE2. BERT drops the Unicode categories C* (controls, formats, private use), NUL among
# them, and U+FFFD, but keeps tab, line feed and carriage return as spaces.
_DROPPED = r"[^\PC\t\n\r]|\x{FFFD}"
_SPACE = r"[\x{A0}\x{1680}\x{2000}-\x{200A}\x{2028}\x{2029}\x{202F}\x{205F}\x{3000}]"
_NONSPACING_MARK = r"\p{Mn}"
# What stands as a word of its own: ASCII's non-alphanumeric characters, Unicode's punctuation, CJK
# ideographs.
_SEPARATE = (
    r"[!-/:-@\[-`{-~\pP"
    r"\x{3400}-\x{4DBF}\x{4E00}-\x{9FFF}\x{F900}-\x{FAFF}\x{20000}-\x{2A6DF}\x{2A700}-\x{2B73F}\x{2B740}-\x{2B81F}"
    r"\x{2B820}-\x{2CEAF}\x{2F800}-\x{2FA1F}]"
)


class WordPieceTokenizer:
    """Splits texts into the word pieces of a vocabulary, as BERT's own tokenizer does.

    Special tokens that are written out in a text, such as "[SEP]", are punctuation and letters like any
    other.

    Attributes:
        vocabulary: The word pieces in the order of their ids.
        lowercase: Whether letters are lower-cased and stripped of accents first ("uncased").
        pad_id: Id of [PAD].
        unknown_id: Id of [UNK].
        start_id: Id of [CLS].
        end_id: Id of [SEP].
    """

    def __init__(self, vocabulary: Sequence[str], lowercase: bool) -> None:
        """Builds the tokenizer.

        Args:
            vocabulary: Different word pieces, with the four special tokens among them; pieces that continue a
                word start with "##".
            lowercase: Whether the vocabulary is of an uncased model.

        Raises:
            UserError: A special token is missing, or a word piece is empty, too long or stands twice.
        """
        self.vocabulary = tuple(vocabulary)
        self.lowercase = lowercase
        id_of: dict[str, int] = {}
        for number, piece in enumerate(self.vocabulary):
            if not 1 <= len(piece.encode()) <= MAX_BYTES_PER_PIECE or "\0" in piece:
                raise UserError(
                    f"vocabulary: a word piece takes 1 to {MAX_BYTES_PER_PIECE} bytes, none of them NUL; "
                    f"entry {number} is {piece[:50]!r} of {len(piece.encode())} bytes"
                )
            if piece in id_of:
                raise UserError(
                    f"vocabulary: word pieces stand once each, {piece!r} is entry {id_of[piece]} and {number}"
                )
            id_of[piece] = number
        missing = [token for token in (PAD, UNKNOWN, START, END) if token not in id_of]
        if missing:
            raise UserError(
                f"vocabulary: {PAD}, {UNKNOWN}, {START}, {END} are needed, {', '.join(missing)} missing from "
                f"its {len(id_of)} entries"
            )
        self.pad_id, self.unknown_id = id_of[PAD], id_of[UNKNOWN]
        self.start_id, self.end_id = id_of[START], id_of[END]
        # The vocabulary becomes a constant of the graph; there is no lookup table for an export to track.
        self._word_pieces = tf_text.FastWordpieceTokenizer(
            list(self.vocabulary),
            max_bytes_per_word=4 * MAX_CHARACTERS_PER_WORD,
            token_out_type=tf.int32,
            unknown_token=UNKNOWN,
            no_pretokenization=True,
        )

    def fingerprint(self) -> str:
        """Returns the hexadecimal SHA-256 of all that decides which ids a text gets."""
        return fingerprint({"vocabulary": self.vocabulary, "lowercase": self.lowercase})

    def tokenize(self, texts: tf.Tensor) -> tf.RaggedTensor:
        """Returns the ids of the word pieces of each text; pure TensorFlow operations.

        Args:
            texts: string [batch], UTF-8; invalid bytes are dropped.

        Returns:
            int32 [batch, None]; an empty row for a text without a word.
        """
        words = tf.strings.split(self._normalize(texts))
        characters = tf.strings.length(words.values, unit="UTF8_CHAR")
        # The word "[UNK]" has the id of [UNK], and no word of a text can be it: "[" stands alone.
        accepted = tf.where(characters > MAX_CHARACTERS_PER_WORD, UNKNOWN, words.values)
        pieces = self._word_pieces.tokenize(accepted)
        return tf.RaggedTensor.from_row_splits(
            pieces.values, tf.gather(pieces.row_splits, words.row_splits), validate=False
        )

    def _normalize(self, texts: tf.Tensor) -> tf.Tensor:
        """Returns the texts cleaned, lower-cased if uncased, with spaces around what stands alone."""
        texts = tf.strings.unicode_transcode(texts, "UTF-8", "UTF-8", errors="ignore")
        texts = tf.strings.regex_replace(texts, _DROPPED, "")
        texts = tf.strings.regex_replace(texts, _SPACE, " ")
        if self.lowercase:
            texts = tf.strings.lower(texts, encoding="utf-8")
            texts = tf_text.normalize_utf8(texts, "NFD")
            texts = tf.strings.regex_replace(texts, _NONSPACING_MARK, "")
        return tf.strings.regex_replace(texts, _SEPARATE, r" \0 ")


def read_vocabulary(path: Path) -> list[str]:
    """Reads a vocabulary file: one word piece a line, in the order of their ids.

    Raises:
        UserError: The file is missing or is not UTF-8.
    """
    try:
        text = path.read_bytes().decode("utf-8")
    except FileNotFoundError:
        raise UserError(f"{path}: no such vocabulary file; one word piece a line is expected there") from None
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: a vocabulary file is UTF-8 text, this one is not ({error})") from None
    lines = [line[:-1] if line.endswith("\r") else line for line in text.split("\n")]
    return lines if lines[-1] else lines[:-1]
