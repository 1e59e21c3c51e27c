"""BERT's tokenizer in TensorFlow operations: one code encodes training data and answers in a SavedModel."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Collection, Sequence
from pathlib import Path

import tensorflow as tf
import tensorflow_text as tf_text

from mtdnn_tf.errors import UserError
from mtdnn_tf.json_files import OMITTED, fingerprint, to_json

PAD = "[PAD]"
UNKNOWN = "[UNK]"
START = "[CLS]"
END = "[SEP]"
MASK = "[MASK]"

# A longer word becomes one [UNK], as in Hugging Face's tokenizers.
MAX_CHARACTERS_PER_WORD = 100

# TF.Text takes no longer one.
MAX_BYTES_PER_PIECE = 256

# Regular expressions of RE2. BERT drops the Unicode categories C* (controls, formats, private use), NUL among
# them, and U+FFFD, but keeps tab, line feed and carriage return as spaces.
_DROPPED = r"[^\PC\t\n\r]|\x{FFFD}"
_SPACE = r"[\x{A0}\x{1680}\x{2000}-\x{200A}\x{2028}\x{2029}\x{202F}\x{205F}\x{3000}]"
_NONSPACING_MARK = r"\p{Mn}"
# Words of their own: ASCII's non-alphanumeric characters and Unicode's punctuation; CJK ideographs.
_PUNCTUATION = r"!-/:-@\[-`{-~\pP"
_IDEOGRAPHS = (
    r"\x{3400}-\x{4DBF}\x{4E00}-\x{9FFF}\x{F900}-\x{FAFF}\x{20000}-\x{2A6DF}\x{2A700}-\x{2B73F}\x{2B740}-\x{2B81F}"
    r"\x{2B820}-\x{2CEAF}\x{2F800}-\x{2FA1F}"
)
# Characters of private use, which texts do not keep: before an added token, matched before and after normalization, and
# after it. Then what its spaces become.
_PLAIN, _NORMALIZED, _CLOSE, _INNER_SPACE = "\U0010fffd", "\U0010fffc", "\U0010fffb", "\x01"


@dataclasses.dataclass(frozen=True)
class AddedToken:
    """A token that is matched in a text before words are split (Hugging Face's `AddedToken`)."""

    content: str
    id: int
    normalized: bool = False  # Whether it is matched after lower-casing and stripping of accents, as it then reads.


@dataclasses.dataclass(frozen=True)
class TokenRules:
    """What may differ between tokenizers of word pieces beside vocabulary and lower-casing; BERT's by default."""

    strip_accents: bool | None = None  # None: where texts are lower-cased.
    separate_ideographs: bool = True
    pad: str = PAD
    unknown: str = UNKNOWN
    start: str = START
    end: str = END
    mask: str = MASK
    added: tuple[AddedToken, ...] = ()
    # Of byte-level byte-pair encoding, "first second", in the order in which they were learned; none with word pieces.
    merges: tuple[str, ...] = dataclasses.field(default=(), metadata={OMITTED: True})
    # Of byte pairs: whether characters are composed first (NFC), and whether one token, not two, ends the first text of
    # a pair.
    composes: bool = dataclasses.field(default=False, metadata={OMITTED: True})
    has_one_end: bool = dataclasses.field(default=False, metadata={OMITTED: True})
    # Of SentencePiece's unigrams: the score of each piece, the rules of normalization ("precompiled_charsmap", base64),
    # the tokens that end the first text of a pair, whether `` and '' are read as ", and whether characters of no piece
    # become the pieces of their bytes ("<0xE4>").
    scores: tuple[float, ...] = dataclasses.field(default=(), metadata={OMITTED: True})
    charsmap: str = dataclasses.field(default="", metadata={OMITTED: True})
    ends_between: int = dataclasses.field(default=1, metadata={OMITTED: True})
    joins_quotes: bool = dataclasses.field(default=False, metadata={OMITTED: True})
    has_bytes: bool = dataclasses.field(default=False, metadata={OMITTED: True})

    def difference(self) -> str:
        """Returns the fields that are not BERT's, for messages."""
        defaults = TokenRules()
        given = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        return ", ".join(f"{name} {value}" for name, value in given.items() if value != getattr(defaults, name))


class WordPieceTokenizer:
    """Splits texts into the word pieces of a vocabulary, as BERT's own tokenizer does.

    BERT's special tokens that are written out in a text, such as "[SEP]", are punctuation and letters like any other.

    Args:
        vocabulary: Word pieces in the order of their ids; pieces that continue a word start with "##".
        lowercase: Whether letters are lower-cased ("uncased"), and stripped of accents by default.
        rules: What differs from BERT's tokenizer.
    """

    ends_between = 1  # Tokens that end the first text of a pair.
    module = None

    def __init__(self, vocabulary: Sequence[str], lowercase: bool, rules: TokenRules | None = None) -> None:
        self.vocabulary = tuple(vocabulary)
        self.lowercase = lowercase
        self.rules = rules = rules or TokenRules()
        check_vocabulary(self.vocabulary, "vocabulary: entry {}".format)
        ids = special_ids(self.vocabulary, rules)
        self.pad_id, self.unknown_id, self.start_id, self.end_id = ids.values()
        # BERT's own tokens are not matched in texts.
        added = [token for token in rules.added if token.content not in {*ids, rules.mask}]
        self._plain = {token.content: token.id for token in added if not token.normalized}
        normalized = {self._normalized_content(token): token.id for token in reversed(added) if token.normalized}
        self._normalized = {content: number for content, number in normalized.items() if content}
        words = [_PLAIN + content for content in self._plain]
        words += [_NORMALIZED + content for content in self._normalized]
        self._added_ids = [*self._plain.values(), *self._normalized.values()]
        # The vocabulary becomes a constant of the graph; there is no lookup table for an export to track.
        self._word_pieces = tf_text.FastWordpieceTokenizer(
            [*self.vocabulary, *(re.sub(r"\s", _INNER_SPACE, word, flags=re.ASCII) for word in words)],
            max_bytes_per_word=4 * MAX_CHARACTERS_PER_WORD,
            token_out_type=tf.int32,
            unknown_token=rules.unknown,
            no_pretokenization=True,
        )

    def fingerprint(self) -> str:
        """Returns the hexadecimal SHA-256 of all that decides which ids a text gets."""
        rules = {} if self.rules == TokenRules() else {"rules": to_json(self.rules)}
        return fingerprint({"vocabulary": self.vocabulary, "lowercase": self.lowercase, **rules})

    def tokenize(self, texts: tf.Tensor) -> tf.RaggedTensor:
        """Returns the ids of the word pieces of each text, int32 [batch, None]; pure TensorFlow operations.

        `texts` are string [batch], UTF-8; invalid bytes are dropped.
        """
        texts = tf.strings.unicode_transcode(texts, "UTF-8", "UTF-8", errors="ignore")
        words = self._split_around_added(texts) if self._added_ids else self._words(self._normalize(texts))
        is_long = tf.strings.length(words.values, unit="UTF8_CHAR") > MAX_CHARACTERS_PER_WORD
        if self._added_ids:
            is_long &= ~_is_added(words.values)
        # The word "[UNK]" has the id of [UNK], and no word of a text can be it: "[" is a word of its own.
        pieces = self._word_pieces.tokenize(tf.where(is_long, self.rules.unknown, words.values))
        ids = pieces.values
        if self._added_ids:
            number = tf.maximum(ids - len(self.vocabulary), 0)
            ids = tf.where(ids < len(self.vocabulary), ids, tf.gather(self._added_ids, number))
        return tf.RaggedTensor.from_row_splits(ids, tf.gather(pieces.row_splits, words.row_splits), validate=False)

    def _normalize(self, texts: tf.Tensor) -> tf.Tensor:
        """Returns the texts cleaned, lower-cased if uncased, without accents if they are stripped."""
        texts = tf.strings.regex_replace(texts, _DROPPED, "")
        texts = tf.strings.regex_replace(texts, _SPACE, " ")
        if self.lowercase:
            texts = tf.strings.lower(texts, encoding="utf-8")
        if self.lowercase if self.rules.strip_accents is None else self.rules.strip_accents:
            texts = tf_text.normalize_utf8(texts, "NFD")
            texts = tf.strings.regex_replace(texts, _NONSPACING_MARK, "")
        return texts

    def _words(self, texts: tf.Tensor) -> tf.RaggedTensor:
        """Returns the words of normalized texts; an added token, which begins with its mark, is one word."""
        ideographs = _IDEOGRAPHS if self.rules.separate_ideographs else ""
        separated = tf.strings.regex_replace(texts, f"[{_PUNCTUATION}{ideographs}]", r" \0 ")
        if self._added_ids:
            separated = tf.where(_is_added(texts), tf.strings.regex_replace(texts, r"[\s\v]", _INNER_SPACE), separated)
        return tf.strings.split(separated)

    def _normalized_content(self, token: AddedToken) -> str:
        return str(self._normalize(tf.constant([token.content])).numpy()[0].decode())

    def _split_around_added(self, texts: tf.Tensor) -> tf.RaggedTensor:
        """Returns the words of each text, an added token as one of them with its mark before it."""
        texts = tf.strings.regex_replace(texts, f"[{_PLAIN}{_NORMALIZED}{_CLOSE}]", _INNER_SPACE)
        parts = _cut(texts, self._plain, _PLAIN)
        normalized = tf.where(_is_added(parts.values), parts.values, self._normalize(parts.values))
        smaller = _cut(normalized, self._normalized, _NORMALIZED)
        words = self._words(smaller.values)
        splits = tf.gather(words.row_splits, tf.gather(smaller.row_splits, parts.row_splits))
        return tf.RaggedTensor.from_row_splits(words.values, splits, validate=False)


def _is_added(words: tf.Tensor) -> tf.Tensor:
    return tf.strings.regex_full_match(words, f"[{_PLAIN}{_NORMALIZED}](?s:.)*")


def _cut(texts: tf.Tensor, tokens: Collection[str], mark: str) -> tf.RaggedTensor:
    """Returns the parts of each text, cut around the leftmost longest of some tokens; these begin with `mark`."""
    marked = tf.strings.regex_replace(texts, f"({longest_of(tokens)})", rf"{_CLOSE}{mark}\1{_CLOSE}")
    return tf.strings.split(tf.where(_is_added(texts), texts, marked), _CLOSE)


def longest_of(tokens: Collection[str]) -> str:
    """Returns a pattern of RE2 that matches the longest of some tokens; for none, nothing."""
    return "|".join(re.escape(token) for token in sorted(tokens, key=len, reverse=True)) or r"[^\x00-\x{10FFFF}]"


def special_ids(vocabulary: Sequence[str], rules: TokenRules) -> dict[str, int]:
    """Returns the ids of BERT's [PAD], [UNK], [CLS] and [SEP], in this order, by the names that they have."""
    id_of = {piece: number for number, piece in enumerate(vocabulary)}
    id_of.update({token.content: token.id for token in rules.added})
    names = (rules.pad, rules.unknown, rules.start, rules.end)
    missing = [name for name in names if name not in id_of]
    if missing:
        lacks = f"{', '.join(missing)} missing from its {len(vocabulary)} entries"
        raise UserError(f"vocabulary: must have {', '.join(names)}; {lacks}")
    return {name: id_of[name] for name in names}


def check_vocabulary(pieces: Sequence[str], place: Callable[[int], str]) -> None:
    """Refuses word pieces that are empty, too long or duplicates; `place` names a piece, given its number from 0."""
    first: dict[str, int] = {}
    for number, piece in enumerate(pieces):
        if not 1 <= len(piece.encode()) <= MAX_BYTES_PER_PIECE or "\0" in piece:
            needed = f"a word piece must have 1 to {MAX_BYTES_PER_PIECE} bytes, none of them NUL"
            raise UserError(f"{place(number)} is {piece[:50]!r}: {needed}, got {len(piece.encode())} bytes")
        if first.setdefault(piece, number) != number:
            raise UserError(f"{place(number)} is a duplicate of {place(first[piece])}: word piece {piece[:50]!r}")


def read_vocabulary(path: Path) -> list[str]:
    """Reads a vocabulary file: one word piece per line, in the order of their ids; a byte order mark is skipped."""
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except FileNotFoundError:
        raise UserError(f"{path}: no such vocabulary file; must have one word piece per line") from None
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: a vocabulary file must be UTF-8 text ({error})") from None
    lines = [line[:-1] if line.endswith("\r") else line for line in text.split("\n")]
    pieces = lines if lines[-1] else lines[:-1]
    check_vocabulary(pieces, lambda number: f"{path}:{number + 1}")
    return pieces
