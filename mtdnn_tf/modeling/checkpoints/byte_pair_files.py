"""Reading and writing the files of a tokenizer of byte pairs in a Hugging Face folder (RoBERTa, ModernBERT)."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from mtdnn_tf.data.tokenizer import make_tokenizer
from mtdnn_tf.data.word_pieces import AddedToken, TokenRules
from mtdnn_tf.errors import UserError, shortened
from mtdnn_tf.files import write_text
from mtdnn_tf.json_files import read_json_object, write_json
from mtdnn_tf.modeling.backbone import BackboneConfig
from mtdnn_tf.modeling.checkpoints.fast_tokenizer import COMPOSED, folder_tokenizer
from mtdnn_tf.modeling.checkpoints.pretrained import PretrainedBackbone
from mtdnn_tf.modeling.checkpoints.tokenizer_files import (
    FAST,
    ROLES,
    SPECIAL,
    TOKENIZER_CONFIG,
    added_tokens,
    check_field,
    check_ids,
    check_only_special,
    check_padding,
    declared_tokens,
    read_if_there,
    special_names,
    token_content,
)

_VOCABULARY = "vocab.json"
_MERGES = "merges.txt"
_VERSION = "#version: 0.2"
# The parts of tokenizer.json, and the values that fields may have.
_PARTS: dict[str, dict[str, tuple[Any, ...]]] = {
    "pre_tokenizer": {"type": ("ByteLevel",), "add_prefix_space": (False,), "use_regex": (None, True)},
    "model": {
        "type": (None, "BPE"),
        "dropout": (None,),
        "continuing_subword_prefix": (None, ""),
        "end_of_word_suffix": (None, ""),
        "ignore_merges": (None, False),
    },
}


class Layout(NamedTuple):
    """How a family's folders have byte pairs."""

    classes: tuple[str, ...]  # Of tokenizers.
    names: Mapping[str, str]  # Of special tokens, by role.
    normalizer: dict[str, str] | None = None  # Of tokenizer.json.
    # Whether there is only tokenizer.json, whose tokens added to the vocabulary are read.
    is_fast: bool = False
    has_one_end: bool = False  # Whether one token, not two, ends the first text of a pair.


ROBERTA = Layout(
    ("RobertaTokenizer", "RobertaTokenizerFast", "PreTrainedTokenizerFast"),
    {"unknown": "<unk>", "end": "</s>", "pad": "<pad>", "start": "<s>", "mask": "<mask>"},
)
MODERN = Layout(
    # The second is the first's name in transformers 5.
    ("PreTrainedTokenizerFast", "TokenizersBackend"),
    {"unknown": "[UNK]", "end": "[SEP]", "pad": "[PAD]", "start": "[CLS]", "mask": "[MASK]"},
    normalizer=COMPOSED,
    is_fast=True,
    has_one_end=True,
)


def read_byte_pair_files(
    layout: Layout, folder: Path, config: BackboneConfig, config_file: str
) -> tuple[tuple[str, ...], bool, TokenRules]:
    """Reads vocab.json and merges.txt, or tokenizer.json, with tokenizer_config.json and special_tokens_map.json.

    Refuses what `BytePairTokenizer` does not do: a space before each text, added tokens that take spaces around them.
    Refuses tokens added to the vocabulary where the layout has none.
    """
    slow, fast, special = (read_if_there(folder / name) for name in (TOKENIZER_CONFIG, FAST, SPECIAL))
    for field, accepted in (("tokenizer_class", (None, *layout.classes)), ("add_prefix_space", (None, False))):
        check_field(slow, field, accepted, folder / TOKENIZER_CONFIG)
    names = {
        **layout.names,
        **special_names(special, folder / SPECIAL),
        **special_names(slow, folder / TOKENIZER_CONFIG),
    }
    if layout.is_fast and not fast:
        raise UserError(f"{folder / FAST}: missing; a folder of this model_type must have it")
    path, (vocabulary, merges) = (folder / FAST, _of_fast(fast, folder / FAST, layout)) if fast else _of_files(folder)
    if not merges:
        raise UserError(f"{folder / _MERGES}: must have one merge per line, got none")
    composes = layout.normalizer is not None
    rules = TokenRules(**names, merges=merges, composes=composes, has_one_end=layout.has_one_end)
    if layout.is_fast:
        _check_template(fast, rules, path)
        _check_spaces(slow, fast, names.values(), folder)
        added = added_tokens(folder, declared_tokens(folder, slow, fast, []), vocabulary, rules)
        _check_follows(added, len(vocabulary), folder)
        rules = dataclasses.replace(rules, added=added)
    else:
        check_only_special(folder, slow, fast, names.values(), "byte pairs")
    check_ids(vocabulary, rules, config.vocabulary_size, path, config_file)
    try:
        tokenizer = make_tokenizer(vocabulary, False, rules)
    except UserError as error:
        raise UserError(f"{path}: {error}") from None
    check_padding(tokenizer, config, path, config_file)
    return vocabulary, False, rules


def _check_template(fast: Mapping[str, Any], rules: TokenRules, path: Path) -> None:
    """Refuses a pair that is packed otherwise than [CLS] a [SEP] b [SEP], if the file says how."""
    given = fast.get("post_processor")
    pair = given.get("pair") if isinstance(given, dict) else None
    parts = pair if isinstance(pair, list) else []
    found = [next(iter(part.values())) for part in parts if isinstance(part, dict) and part]
    names = [part.get("id") for part in found if isinstance(part, dict)]
    if given is not None and names != [rules.start, "A", rules.end, "B", rules.end]:
        shown = shortened(repr(pair), 60)
        raise UserError(
            f"{path}: pair of post_processor must be {rules.start} A {rules.end} B {rules.end}, got {shown}"
        )


def _check_spaces(slow: Mapping[str, Any], fast: Mapping[str, Any], names: Collection[str], folder: Path) -> None:
    """Refuses added tokens that take the spaces around them, except special tokens, which are not matched in texts."""
    in_slow, in_fast = slow.get("added_tokens_decoder") or {}, fast.get("added_tokens") or []
    rows = [*(in_slow.values() if isinstance(in_slow, dict) else []), *(in_fast if isinstance(in_fast, list) else [])]
    for row in rows:
        content = token_content(row)
        if isinstance(row, dict) and (row.get("lstrip") or row.get("rstrip")) and content not in names:
            shown = shortened(repr(content), 60)
            raise UserError(f"{folder}: an added token must have lstrip and rstrip false, got {shown}")


def _check_follows(added: Collection[AddedToken], size: int, folder: Path) -> None:
    """Refuses ids of added tokens that `tokenizers` would number otherwise."""
    ids = [token.id for token in added if token.id >= size]
    for number, given in enumerate(ids, start=size):
        if number != given:
            raise UserError(f"{folder}: added tokens must have ids from {size} without gaps, got {given} for {number}")


def _of_fast(fast: Mapping[str, Any], path: Path, layout: Layout) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Returns the pieces and merges of a tokenizer.json."""
    check_field(fast, "normalizer", (layout.normalizer,), path)
    for part, fields in _PARTS.items():
        values = fast.get(part)
        for field, accepted in fields.items():
            check_field(values if isinstance(values, dict) else {}, field, accepted, f"{path}: {part}")
    given = fast["model"].get("merges") if isinstance(fast.get("model"), dict) else None
    merges = [" ".join(pair) if _is_pair(pair) else pair for pair in given] if isinstance(given, list) else []
    if not merges or not all(isinstance(merge, str) for merge in merges):
        raise UserError(f"{path}: merges of model must be pairs of pieces, got {shortened(repr(given), 60)}")
    return _pieces(fast["model"].get("vocab"), path), tuple(merges)


def _is_pair(pair: Any) -> bool:
    return isinstance(pair, list) and len(pair) == 2 and all(isinstance(part, str) for part in pair)


def _of_files(folder: Path) -> tuple[Path, tuple[tuple[str, ...], tuple[str, ...]]]:
    """Returns the pieces and merges of vocab.json and merges.txt, and the path of the first."""
    path = folder / _VOCABULARY
    pieces = _pieces(read_json_object(path), path)
    try:
        lines = (folder / _MERGES).read_text(encoding="utf-8").split("\n")
    except (OSError, UnicodeDecodeError):
        raise UserError(f"{folder / _MERGES}: missing, or not UTF-8 text; must have one merge per line") from None
    return path, (pieces, tuple(line for line in lines if line and not line.startswith("#version")))


def _pieces(ids: Any, path: Path) -> tuple[str, ...]:
    numbers = ids.values() if isinstance(ids, dict) else []
    if not numbers or not all(type(number) is int for number in numbers) or set(numbers) != set(range(len(ids))):
        raise UserError(f"{path}: the vocabulary must give ids from 0, without gaps")
    return tuple(sorted(ids, key=ids.__getitem__))


def write_byte_pair_files(layout: Layout, folder: Path, pretrained: PretrainedBackbone, tokenizer_class: str) -> None:
    """Writes vocab.json and merges.txt, or tokenizer.json, and tokenizer_config.json, which transformers reads."""
    rules = pretrained.rules
    if layout.is_fast:
        write_json(folder / FAST, folder_tokenizer(pretrained.tokenizer()))
        # Its models take no segments.
        others: dict[str, Any] = {"model_input_names": ["input_ids", "attention_mask"]}
    else:
        write_json(folder / _VOCABULARY, {piece: number for number, piece in enumerate(pretrained.vocabulary)})
        write_text(folder / _MERGES, "".join(f"{line}\n" for line in (_VERSION, *rules.merges)))
        others = {"bos_token": rules.start, "eos_token": rules.end}
    settings = {
        "tokenizer_class": tokenizer_class,
        "add_prefix_space": False,
        "model_max_length": pretrained.config.max_positions,
        **{field: getattr(rules, role) for role, field in ROLES.items()},
        **others,
    }
    write_json(folder / TOKENIZER_CONFIG, settings)
