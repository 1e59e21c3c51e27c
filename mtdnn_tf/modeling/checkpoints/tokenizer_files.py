"""Reading and writing the files of a tokenizer of word pieces in a Hugging Face or Google folder."""

from __future__ import annotations

import dataclasses
import logging
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from mtdnn_tf.data.tokenizer import Tokenizer
from mtdnn_tf.data.word_pieces import AddedToken, TokenRules, read_vocabulary, special_ids
from mtdnn_tf.errors import UserError, shortened
from mtdnn_tf.files import write_text
from mtdnn_tf.json_files import read_json_object, write_json
from mtdnn_tf.modeling.backbone import BackboneConfig
from mtdnn_tf.modeling.checkpoints.pretrained import PretrainedBackbone

VOCABULARY = "vocab.txt"
TOKENIZER_CONFIG = "tokenizer_config.json"
FAST = "tokenizer.json"
SPECIAL = "special_tokens_map.json"
ADDED = "added_tokens.json"
# Classes that split texts as BERT's does, or as tokenizer.json says.
_CLASSES = ("BertTokenizer", "DistilBertTokenizer", "ElectraTokenizer")
_ANY_FAST = "PreTrainedTokenizerFast"
# Special tokens' fields in the files by those of `TokenRules`.
ROLES = {"unknown": "unk_token", "end": "sep_token", "pad": "pad_token", "start": "cls_token", "mask": "mask_token"}
# The parts of tokenizer.json, and the fields that must be BERT's.
_PARTS: dict[str, dict[str, Any]] = {
    "normalizer": {"type": "BertNormalizer", "clean_text": True},
    "pre_tokenizer": {"type": "BertPreTokenizer"},
    "model": {"type": "WordPiece", "continuing_subword_prefix": "##", "max_input_chars_per_word": 100},
}
_SPECIAL_LOOKING = re.compile(r"\[.+\]|<.+>")
# The first character of a word in SentencePiece's vocabularies.
_SENTENCE_PIECE = "\u2581"
_MOST_BYTES = 200
_FIELDS = "do_lower_case, strip_accents and tokenize_chinese_chars"
_log = logging.getLogger("absl")


def read_tokenizer_files(
    folder: Path, config: BackboneConfig | None, config_file: str, default_lowercase: bool | None = None
) -> tuple[tuple[str, ...], bool, TokenRules]:
    """Reads vocab.txt, tokenizer.json, tokenizer_config.json, special_tokens_map.json and added_tokens.json.

    Only a vocabulary must be there. `default_lowercase` is used if no file says whether texts are lower-cased; without
    it, they are if no word piece, except special tokens, has an upper-case letter. Refuses files that contradict each
    other, ask for what `WordPieceTokenizer` does not do, or have ids beyond the embeddings of `config`, if it is given.
    """
    slow, fast, special = (read_if_there(folder / name) for name in (TOKENIZER_CONFIG, FAST, SPECIAL))
    _check_class(slow, folder / TOKENIZER_CONFIG, has_fast=bool(fast))
    normalizer = _checked_parts(fast, folder / FAST)["normalizer"] if fast else {}
    vocabulary = _vocabulary(folder, fast)
    lowercase = agreed(folder, slow.get("do_lower_case"), normalizer.get("lowercase"))
    if lowercase is None:
        words = (piece for piece in vocabulary if not _SPECIAL_LOOKING.fullmatch(piece))
        lowercase = all(word == word.lower() for word in words) if default_lowercase is None else default_lowercase
        reason = "its vocabulary" if default_lowercase is None else "its name"
        _log.info("%s: %s by %s; no file says it", folder, "uncased" if lowercase else "cased", reason)
    strip_accents = agreed(folder, slow.get("strip_accents"), normalizer.get("strip_accents"))
    ideographs = agreed(folder, slow.get("tokenize_chinese_chars"), normalizer.get("handle_chinese_chars"))
    names = {
        **_names_of_fast(fast, folder / FAST),
        **special_names(special, folder / SPECIAL),
        **special_names(slow, folder / TOKENIZER_CONFIG),
    }
    rules = TokenRules(None if strip_accents == lowercase else strip_accents, ideographs is not False, **names)
    extra = special.get("additional_special_tokens") or slow.get("additional_special_tokens")
    declared = declared_tokens(folder, slow, fast, [*map(token_content, extra)] if isinstance(extra, list) else [])
    rules = dataclasses.replace(rules, added=added_tokens(folder, declared, vocabulary, rules))
    if config:
        check_ids(vocabulary, rules, config.vocabulary_size, folder / VOCABULARY, config_file)
    try:
        special_ids(vocabulary, rules)
    except UserError as error:
        raise UserError(f"{folder / VOCABULARY}: {error}; {TOKENIZER_CONFIG} can give other names") from None
    return vocabulary, lowercase, rules


def read_if_there(path: Path) -> dict[str, Any]:
    """Returns the object of a JSON file, an empty one if there is no file."""
    return read_json_object(path) if path.is_file() else {}


def token_content(token: Any) -> Any:
    """Returns the text of a special token, which files write in two ways."""
    return token.get("content") if isinstance(token, dict) else token


def _check_class(slow: Mapping[str, Any], path: Path, has_fast: bool) -> None:
    accepted = [*_CLASSES, *(f"{name}Fast" for name in _CLASSES), *([_ANY_FAST] if has_fast else [])]
    given = slow.get("tokenizer_class")
    if given not in (None, *accepted):
        raise UserError(f"{path}: tokenizer_class must be one of {', '.join(accepted)}, got {given!r}")
    for field, value in (("do_basic_tokenize", True), ("word_tokenizer_type", "basic"), ("never_split", [])):
        if slow.get(field) not in (None, value):
            raise UserError(f"{path}: {field} must be {value!r}, got {shortened(repr(slow[field]), 60)}")


def _checked_parts(fast: Mapping[str, Any], path: Path) -> dict[str, dict[str, Any]]:
    """Returns the parts of a tokenizer.json after checking that they are BERT's."""
    parts: dict[str, dict[str, Any]] = {}
    for part, fields in _PARTS.items():
        parts[part] = fast[part] if isinstance(fast.get(part), dict) else {}
        for field, value in fields.items():
            if parts[part].get(field) != value:
                given = shortened(repr(parts[part].get(field)), 60)
                raise UserError(f"{path}: {field} of {part} must be {value!r}, got {given}")
    return parts


def _vocabulary(folder: Path, fast: Mapping[str, Any]) -> tuple[str, ...]:
    path = folder / VOCABULARY
    listed = tuple(read_vocabulary(path)) if path.is_file() or not fast else ()
    pieces = listed
    if fast:
        ids = fast["model"].get("vocab")
        numbers = ids.values() if isinstance(ids, dict) else []
        if not numbers or not all(type(number) is int for number in numbers) or set(numbers) != set(range(len(ids))):
            raise UserError(f"{folder / FAST}: vocab of model must give ids from 0, without gaps")
        pieces = tuple(sorted(ids, key=ids.__getitem__))
        # In some folders one of the files has added tokens at its end.
        for number, (one, other) in enumerate(zip(listed, pieces)):
            if one != other:
                raise UserError(f"{path}:{number + 1}: is {one[:50]!r}, {FAST} has {other[:50]!r}")
    vocabulary = max(listed, pieces, key=len)
    if sum(piece.startswith(_SENTENCE_PIECE) for piece in vocabulary) > len(vocabulary) // 10:
        raise UserError(f"{folder}: must have word pieces, got SentencePiece's (beginning with {_SENTENCE_PIECE})")
    return vocabulary


def agreed(folder: Path, *values: Any, fields: str = _FIELDS) -> bool | None:
    """Returns what tokenizer_config.json and tokenizer.json say, None if neither does."""
    given = [value for value in values if value is not None]
    if not all(isinstance(value, bool) for value in given) or len(set(given)) > 1:
        raise UserError(
            f"{folder}: {fields} must be true or false, and the same in {TOKENIZER_CONFIG} and {FAST}, got "
            f"{shortened(' and '.join(map(repr, given)), 60)}"
        )
    return given[0] if given else None


def special_names(values: Mapping[str, Any], path: Path) -> dict[str, Any]:
    """Returns the names of special tokens in a file, by role."""
    given = {role: token_content(values[field]) for role, field in ROLES.items() if values.get(field) is not None}
    for role, name in given.items():
        if not isinstance(name, str):
            raise UserError(f"{path}: {ROLES[role]} must be a string, got {shortened(repr(name), 60)}")
    return given


def _names_of_fast(fast: Mapping[str, Any], path: Path) -> dict[str, Any]:
    """Returns the names of special tokens that a tokenizer.json gives, by role; none masks there."""
    model, padding, template = (
        fast[part] if isinstance(fast.get(part), dict) else {} for part in ("model", "padding", "post_processor")
    )
    values = {"unk_token": model.get("unk_token"), "pad_token": padding.get("pad_token")}
    single = template.get("single")
    around = (
        [piece.get("SpecialToken") for piece in single if isinstance(piece, dict)] if isinstance(single, list) else []
    )
    ends = [piece.get("id") for piece in around if isinstance(piece, dict)]
    if len(ends) == 2:
        values["cls_token"], values["sep_token"] = ends
    return special_names(values, path)


def declared_tokens(
    folder: Path, slow: dict[str, Any], fast: dict[str, Any], special: list[Any]
) -> Iterator[AddedToken]:
    """Yields the added tokens of each file, the most detailed first."""
    in_slow, in_fast = slow.get("added_tokens_decoder") or {}, fast.get("added_tokens") or []
    if not isinstance(in_slow, dict) or not isinstance(in_fast, list):
        raise UserError(
            f"{folder}: added_tokens of {FAST} must be a list, added_tokens_decoder of {TOKENIZER_CONFIG} an object"
        )
    rows = [(folder / FAST, values, values.get("id") if isinstance(values, dict) else None) for values in in_fast]
    rows += [(folder / TOKENIZER_CONFIG, values, number) for number, values in in_slow.items()]
    added = read_if_there(folder / ADDED).items()
    rows += [(folder / ADDED, {"content": name, "normalized": name not in special}, number) for name, number in added]
    for path, values, number in rows:
        content = token_content(values)
        if isinstance(number, str) and re.fullmatch(r"\d{1,9}", number):
            number = int(number)
        is_token = isinstance(values, dict) and isinstance(content, str) and 1 <= len(content.encode()) <= _MOST_BYTES
        if not is_token or not isinstance(number, int) or values.get("single_word"):
            shown = shortened(repr(content), 60)
            raise UserError(f"{path}: an added token must have 1 to 200 bytes, an id, and no single_word, got {shown}")
        yield AddedToken(content, number, values.get("normalized") is True)


def added_tokens(
    folder: Path, declared: Iterator[AddedToken], vocabulary: Sequence[str], rules: TokenRules
) -> tuple[AddedToken, ...]:
    """Returns the added tokens in the order of their ids, without BERT's special tokens of the vocabulary."""
    id_of = {piece: number for number, piece in enumerate(vocabulary)}
    owner = dict(enumerate(vocabulary))
    found: dict[str, AddedToken] = {}
    for token in declared:
        other = owner.setdefault(token.id, token.content)
        if other != token.content or id_of.setdefault(token.content, token.id) != token.id:
            given = f"{token.content!r} has id {token.id}, not {id_of.get(token.content)}, or that of {other!r}"
            raise UserError(f"{folder}: added tokens must have ids of their own, the same in all files; {given}")
        found.setdefault(token.content, token)
    own = {rules.pad, rules.unknown, rules.start, rules.end, rules.mask}
    kept = (token for token in found.values() if token.content not in own or token.id >= len(vocabulary))
    return tuple(sorted(kept, key=lambda token: token.id))


def check_field(values: Mapping[str, Any], field: str, accepted: tuple[Any, ...], where: str | Path) -> None:
    """Refuses a field that has another value than those accepted."""
    if values.get(field) not in accepted:
        names = " or ".join(repr(value) for value in accepted if value is not None) or "null"
        raise UserError(f"{where}: {field} must be {names}, got {shortened(repr(values.get(field)), 60)}")


def check_only_special(
    folder: Path, slow: Mapping[str, Any], fast: Mapping[str, Any], names: Collection[str], what: str
) -> None:
    """Refuses tokens that the files add to a vocabulary, except the special tokens of these names."""
    in_slow, in_fast = slow.get("added_tokens_decoder") or {}, fast.get("added_tokens") or []
    if not isinstance(in_slow, dict) or not isinstance(in_fast, list):
        raise UserError(f"{folder}: added_tokens of {FAST} must be a list, added_tokens_decoder an object")
    for token in [*map(token_content, [*in_slow.values(), *in_fast]), *read_if_there(folder / ADDED)]:
        if token not in names:
            raise UserError(
                f"{folder}: tokens added to a vocabulary of {what} must be {', '.join(names)}, got "
                f"{shortened(repr(token), 60)}"
            )


def check_padding(tokenizer: Tokenizer, config: BackboneConfig, path: Path, config_file: str) -> None:
    """Refuses another id of padding than the one that positions are counted from."""
    if config.position_offset and tokenizer.pad_id != config.position_offset - 1:
        given = f"{tokenizer.pad_id}, in {config_file} {config.position_offset - 1}"
        raise UserError(f"{path}: the id of {tokenizer.rules.pad} must be the pad_token_id, got {given}")


def check_ids(vocabulary: Sequence[str], rules: TokenRules, size: int, path: Path, config_file: str) -> None:
    """Refuses more word pieces and added tokens than the encoder has embeddings, `size`."""
    if len(vocabulary) > size:
        raise UserError(f"{path}: {len(vocabulary)} word pieces, {config_file} has vocab_size {size}")
    for token in rules.added:
        if not 0 <= token.id < size:
            raise UserError(f"{path}: added token {token.content!r} has id {token.id}, {config_file} vocab_size {size}")


def write_vocabulary(path: Path, vocabulary: Sequence[str]) -> None:
    """Writes one word piece per line, in the order of their ids."""
    write_text(path, "".join(f"{piece}\n" for piece in vocabulary))


def write_tokenizer_files(folder: Path, pretrained: PretrainedBackbone, tokenizer_class: str = "BertTokenizer") -> None:
    """Writes vocab.txt and tokenizer_config.json, from which transformers builds a tokenizer of BERT's kind."""
    rules = pretrained.rules
    write_vocabulary(folder / VOCABULARY, pretrained.vocabulary)
    plain = {"lstrip": False, "rstrip": False, "single_word": False, "special": False}
    added = {str(one.id): {"content": one.content, "normalized": one.normalized, **plain} for one in rules.added}
    settings = {
        "tokenizer_class": tokenizer_class,
        "do_lower_case": pretrained.lowercase,
        "strip_accents": rules.strip_accents,
        "tokenize_chinese_chars": rules.separate_ideographs,
        "model_max_length": pretrained.config.max_positions,
        **{field: getattr(rules, role) for role, field in ROLES.items()},
        **({"added_tokens_decoder": added} if added else {}),
    }
    write_json(folder / TOKENIZER_CONFIG, settings)
