"""Reading and writing the files of a SentencePiece tokenizer in a Hugging Face folder (XLM-R, ALBERT, DeBERTa)."""

from __future__ import annotations

import base64
import itertools
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
from google.protobuf.message import DecodeError

from mtdnn_tf.data.sentence_pieces import (
    BYTE,
    CONTROL,
    NORMAL,
    SPACE,
    UNIGRAM,
    UNKNOWN,
    USER_DEFINED,
    ModelProto,
    is_byte,
)
from mtdnn_tf.data.tokenizer import make_tokenizer
from mtdnn_tf.data.word_pieces import TokenRules
from mtdnn_tf.errors import UserError, shortened
from mtdnn_tf.json_files import write_json
from mtdnn_tf.modeling.backbone import BackboneConfig
from mtdnn_tf.modeling.checkpoints.fast_tokenizer import ACCENTS, LOWERCASE, QUOTES, folder_tokenizer
from mtdnn_tf.modeling.checkpoints.pretrained import PretrainedBackbone
from mtdnn_tf.modeling.checkpoints.tokenizer_files import (
    FAST,
    ROLES,
    SPECIAL,
    TOKENIZER_CONFIG,
    agreed,
    check_field,
    check_ids,
    check_only_special,
    check_padding,
    read_if_there,
    special_names,
)


class Layout(NamedTuple):
    """How a family's folders have a SentencePiece model."""

    model: str  # The name of the file.
    classes: tuple[str, ...]  # Of tokenizers.
    names: Mapping[str, str]  # Of special tokens, by role.
    ends_between: int  # Tokens that end the first text of a pair.
    # Whether ids are fairseq's: `_FIRST` in place of the model's first pieces, `_OF_MODEL`, and the mask at the end.
    moves_ids: bool
    normalizes: bool  # Whether quotes, accents and letters are normalized before SentencePiece's rules.
    # Whether the mask comes after the pieces, as a token added to them, and pieces for bytes are read.
    adds_mask: bool = False
    has_bytes: bool = False
    # Fields of tokenizer_config.json that would change ids, with the value that is read.
    required: Mapping[str, Any] = MappingProxyType({})


XLMR = Layout(
    "sentencepiece.bpe.model",
    ("XLMRobertaTokenizer", "XLMRobertaTokenizerFast", "PreTrainedTokenizerFast"),
    {"unknown": "<unk>", "end": "</s>", "pad": "<pad>", "start": "<s>", "mask": "<mask>"},
    ends_between=2,
    moves_ids=True,
    normalizes=False,
)
ALBERT = Layout(
    "spiece.model",
    ("AlbertTokenizer", "AlbertTokenizerFast", "PreTrainedTokenizerFast"),
    {"unknown": "<unk>", "end": "[SEP]", "pad": "<pad>", "start": "[CLS]", "mask": "[MASK]"},
    ends_between=1,
    moves_ids=False,
    normalizes=True,
)
DEBERTA = Layout(
    "spm.model",
    ("DebertaV2Tokenizer", "DebertaV2TokenizerFast", "PreTrainedTokenizerFast"),
    {"unknown": "[UNK]", "end": "[SEP]", "pad": "[PAD]", "start": "[CLS]", "mask": "[MASK]"},
    ends_between=1,
    moves_ids=False,
    normalizes=False,
    adds_mask=True,
    has_bytes=True,
    required={"do_lower_case": False, "split_by_punct": False, "vocab_type": "spm"},
)
_FIRST, _OF_MODEL = ("start", "pad", "end", "unknown"), ("<unk>", "<s>", "</s>")
# What SentencePiece does anyway: it drops spaces at both ends, and all but one between words.
_SPACES: tuple[dict[str, Any], ...] = (
    {"type": "Strip", "strip_left": False, "strip_right": True},
    {"type": "Strip", "strip_left": True, "strip_right": True},
    {"type": "Replace", "pattern": {"Regex": " {2,}"}, "content": " "},
    {"type": "Replace", "pattern": {"Regex": " {2,}"}, "content": SPACE},
)


class _Pieces(NamedTuple):
    vocabulary: tuple[str, ...]
    scores: tuple[float, ...]
    charsmap: str  # Rules of normalization, base64; empty: none.
    lowercase: bool | None = None  # None: the file does not say it.
    strips_accents: bool | None = None
    has_bytes: bool = False  # Whether characters that no piece has become pieces for their bytes.


def read_sentence_piece_files(
    layout: Layout, folder: Path, config: BackboneConfig, config_file: str
) -> tuple[tuple[str, ...], bool, TokenRules]:
    """Reads tokenizer.json or a SentencePiece model, with tokenizer_config.json and special_tokens_map.json.

    Refuses what `SentencePieceTokenizer` does not do: byte-pair models, added tokens. Refuses bytes' pieces where the
    layout has none.
    """
    slow, fast, special = (read_if_there(folder / name) for name in (TOKENIZER_CONFIG, FAST, SPECIAL))
    check_field(slow, "tokenizer_class", (None, *layout.classes), folder / TOKENIZER_CONFIG)
    check_field(slow, "add_prefix_space", (None, True), folder / TOKENIZER_CONFIG)
    for field, value in layout.required.items():
        check_field(slow, field, (None, value), folder / TOKENIZER_CONFIG)
    given = {**special_names(special, folder / SPECIAL), **special_names(slow, folder / TOKENIZER_CONFIG)}
    names = {**layout.names, **given}
    path = folder / (FAST if fast else layout.model)
    pieces = _of_fast(fast, path, names["unknown"], layout) if fast else _of_model(path, names, layout)
    if layout.adds_mask and names["mask"] not in pieces.vocabulary:
        pieces = pieces._replace(vocabulary=(*pieces.vocabulary, names["mask"]), scores=(*pieces.scores, 0.0))
    lowercase, strips = _normalization(folder, slow, pieces) if layout.normalizes else (False, False)
    rules = TokenRules(
        strip_accents=None if strips == lowercase else strips,
        **names,
        scores=pieces.scores,
        charsmap=pieces.charsmap,
        has_bytes=pieces.has_bytes,
        ends_between=layout.ends_between,
        joins_quotes=layout.normalizes,
    )
    check_only_special(folder, slow, fast, names.values(), "SentencePiece's pieces")
    check_ids(pieces.vocabulary, rules, config.vocabulary_size, path, config_file)
    try:
        tokenizer = make_tokenizer(pieces.vocabulary, lowercase, rules)
    except UserError as error:
        raise UserError(f"{path}: {error}") from None
    check_padding(tokenizer, config, path, config_file)
    return pieces.vocabulary, lowercase, rules


def _normalization(folder: Path, slow: Mapping[str, Any], pieces: _Pieces) -> tuple[bool, bool]:
    """Returns whether texts are lower-cased, and stripped of accents; by default both."""
    keeps = slow.get("keep_accents")
    of_slow = slow.get("do_lower_case"), not keeps if isinstance(keeps, bool) else keeps
    fields = "do_lower_case and keep_accents"
    found = (
        agreed(folder, *values, fields=fields) for values in zip(of_slow, (pieces.lowercase, pieces.strips_accents))
    )
    lowercase, strips = (value is not False for value in found)
    return lowercase, strips


def _of_fast(fast: Mapping[str, Any], path: Path, unknown: str, layout: Layout) -> _Pieces:
    """Returns what a tokenizer.json has of a SentencePiece model."""
    _check_spaces(fast, path)
    model = fast["model"] if isinstance(fast.get("model"), dict) else {}
    check_field(model, "type", ("Unigram",), f"{path}: model")
    check_field(model, "byte_fallback", (None, False, True) if layout.has_bytes else (None, False), f"{path}: model")
    rows = model.get("vocab")
    if not isinstance(rows, list) or not rows or not all(map(_is_row, rows)):
        raise UserError(f"{path}: vocab of model must be pieces with scores, got {shortened(repr(rows), 60)}")
    vocabulary = tuple(piece for piece, _ in rows)
    if unknown not in vocabulary or model.get("unk_id") != vocabulary.index(unknown):
        raise UserError(f"{path}: unk_id of model must be the id of {unknown}, got {str(model.get('unk_id'))[:60]}")
    parts, charsmap = _normalizers(fast.get("normalizer"), path)
    pieces = _checked(vocabulary, [score for _, score in rows], charsmap, path)
    pieces = pieces._replace(has_bytes=model.get("byte_fallback") is True)
    if not layout.normalizes and not parts:
        return pieces
    for lowercase, strips in itertools.product((True, False), repeat=2) if layout.normalizes else ():
        if parts == [*QUOTES, *(ACCENTS if strips else []), *([LOWERCASE] if lowercase else [])]:
            return pieces._replace(lowercase=lowercase, strips_accents=strips)
    what = "Replace of `` and '' by \", NFKD with StripAccents or not, Lowercase or not, " if layout.normalizes else ""
    given = shortened(repr(fast.get("normalizer")), 60)
    raise UserError(f"{path}: normalizer must be {what}Precompiled, got {given}")


def _check_spaces(fast: Mapping[str, Any], path: Path) -> None:
    """Refuses another pre-tokenizer than SentencePiece's own treatment of spaces."""
    given = fast.get("pre_tokenizer")
    parts = given.get("pretokenizers") if isinstance(given, dict) and given.get("type") == "Sequence" else [given]
    parts = [part if isinstance(part, dict) else {} for part in parts] if isinstance(parts, list) else []
    if parts[:1] == [{"type": "WhitespaceSplit"}]:
        parts = parts[1:]
    last = parts[0] if len(parts) == 1 else {}
    is_metaspace = last.get("type") == "Metaspace" and last.get("replacement") == SPACE
    if not is_metaspace or last.get("prepend_scheme", "always") != "always" or last.get("add_prefix_space") is False:
        what = f"pre_tokenizer must be Metaspace of {SPACE} that always prepends it, after WhitespaceSplit or nothing"
        raise UserError(f"{path}: {what}, got {shortened(repr(given), 60)}")


def _normalizers(normalizer: Any, path: Path) -> tuple[list[Any], str]:
    """Returns the parts of a normalizer before SentencePiece's rules, without what it does anyway, and these rules."""
    given = normalizer if isinstance(normalizer, dict) else {}
    parts = given.get("normalizers") if given.get("type") == "Sequence" else [normalizer] if normalizer else []
    parts = [part for part in parts if part not in _SPACES] if isinstance(parts, list) else [parts]
    last = parts[-1] if parts and isinstance(parts[-1], dict) else {}
    if last.get("type") != "Precompiled":
        return parts, ""
    if not isinstance(last.get("precompiled_charsmap"), str):
        raise UserError(f"{path}: precompiled_charsmap must be base64, got {shortened(repr(last), 60)}")
    return parts[:-1], last["precompiled_charsmap"]


def _is_row(row: Any) -> bool:
    return isinstance(row, list) and len(row) == 2 and isinstance(row[0], str) and type(row[1]) in (int, float)


def _of_model(path: Path, names: Mapping[str, str], layout: Layout) -> _Pieces:
    """Returns what a SentencePiece model has, in the order of ids."""
    try:
        model = ModelProto.FromString(path.read_bytes())
    except FileNotFoundError:
        raise UserError(f"{path}: missing; a folder must have {FAST} or {path.name}") from None
    except (OSError, DecodeError):
        raise UserError(f"{path}: not a SentencePiece model, or damaged; copy it again") from None
    spec, rules = model.trainer_spec, model.normalizer_spec
    has_bytes = spec.byte_fallback and layout.has_bytes
    if spec.model_type != UNIGRAM or spec.byte_fallback != has_bytes or spec.treat_whitespace_as_suffix:
        without = "" if layout.has_bytes else " without pieces for bytes"
        raise UserError(f"{path}: must be a unigram model{without}, spaces before words")
    if not (rules.add_dummy_prefix and rules.remove_extra_whitespaces and rules.escape_whitespaces):
        raise UserError(f"{path}: must put a space before each text, and must remove and escape spaces")
    charsmap = base64.b64encode(rules.precompiled_charsmap).decode()
    first, others, last, special = [], model.pieces, [], names
    if layout.moves_ids:
        own, others = others[: len(_OF_MODEL)], others[len(_OF_MODEL) :]
        if [(piece.piece, piece.type) for piece in own] != [*zip(_OF_MODEL, (UNKNOWN, CONTROL, CONTROL))]:
            given = ", ".join(repr(piece.piece[:20]) for piece in own)
            raise UserError(f"{path}: the first pieces must be {', '.join(_OF_MODEL)}, got {given or 'none'}")
        first, last, special = [names[role] for role in _FIRST], [names["mask"]], {}
    _check_types(others, special, path, has_bytes)
    vocabulary = (*first, *(piece.piece for piece in others), *last)
    scores = [*[0.0] * len(first), *(piece.score for piece in others), *[0.0] * len(last)]
    return _checked(vocabulary, scores, charsmap, path)._replace(has_bytes=has_bytes)


def _check_types(pieces: Sequence[Any], special: Mapping[str, str], path: Path, has_bytes: bool) -> None:
    """Refuses pieces that are not of texts, except special tokens, given by role."""
    expected = {name: UNKNOWN if role == "unknown" else CONTROL for role, name in special.items()}
    for piece in pieces:
        kind = expected.get(piece.piece, BYTE if has_bytes and is_byte(piece.piece) else NORMAL)
        # A character that the user made a piece is one that no other piece has.
        is_character = kind == NORMAL and piece.type == USER_DEFINED and len(piece.piece) == 1
        if piece.type != kind and not is_character:
            raise UserError(f"{path}: piece {piece.piece[:50]!r} must be of type {kind}, is of {piece.type}")


def _checked(vocabulary: tuple[str, ...], scores: list[float], charsmap: str, path: Path) -> _Pieces:
    """Returns the pieces with scores of SentencePiece's precision."""
    for number, piece in enumerate(vocabulary):
        # The vocabulary of a run has a line per piece.
        if "\n" in piece or "\r" in piece:
            raise UserError(f"{path}: a piece must have no line break, got {piece[:50]!r} with id {number}")
    with np.errstate(over="ignore"):
        rounded = np.array(scores, np.float64).astype(np.float32)
    if not np.isfinite(rounded).all():
        number = int(np.argmin(np.isfinite(rounded)))
        raise UserError(f"{path}: scores must be finite, got {scores[number]} of {vocabulary[number][:50]!r}")
    return _Pieces(vocabulary, tuple(rounded.tolist()), charsmap)


def write_sentence_piece_files(folder: Path, pretrained: PretrainedBackbone, tokenizer_class: str) -> None:
    """Writes tokenizer.json and tokenizer_config.json, from which transformers builds the tokenizer."""
    rules = pretrained.rules
    write_json(folder / FAST, folder_tokenizer(pretrained.tokenizer()))
    strips = pretrained.lowercase if rules.strip_accents is None else rules.strip_accents
    settings = {
        "tokenizer_class": tokenizer_class,
        "add_prefix_space": True,
        **({"do_lower_case": pretrained.lowercase, "keep_accents": not strips} if rules.joins_quotes else {}),
        "model_max_length": pretrained.config.max_positions,
        **{field: getattr(rules, role) for role, field in ROLES.items()},
        "bos_token": rules.start,
        "eos_token": rules.end,
    }
    write_json(folder / TOKENIZER_CONFIG, settings)
