"""Reading and writing the files of a tokenizer of byte pairs in a Hugging Face folder, such as RoBERTa's."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mtdnn_tf.data.tokenizer import make_tokenizer
from mtdnn_tf.data.word_pieces import TokenRules
from mtdnn_tf.errors import UserError, shortened
from mtdnn_tf.files import write_text
from mtdnn_tf.json_files import read_json_object, write_json
from mtdnn_tf.modeling.backbone import BackboneConfig
from mtdnn_tf.modeling.checkpoints.pretrained import PretrainedBackbone
from mtdnn_tf.modeling.checkpoints.tokenizer_files import (
    FAST,
    ROLES,
    SPECIAL,
    TOKENIZER_CONFIG,
    check_field,
    check_ids,
    check_only_special,
    check_padding,
    read_if_there,
    special_names,
)

_VOCABULARY = "vocab.json"
_MERGES = "merges.txt"
_VERSION = "#version: 0.2"
_CLASSES = ("RobertaTokenizer", "RobertaTokenizerFast", "PreTrainedTokenizerFast")
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
_NAMES = {"unknown": "<unk>", "end": "</s>", "pad": "<pad>", "start": "<s>", "mask": "<mask>"}


def read_byte_pair_files(
    folder: Path, config: BackboneConfig, config_file: str
) -> tuple[tuple[str, ...], bool, TokenRules]:
    """Reads vocab.json and merges.txt, or tokenizer.json, with tokenizer_config.json and special_tokens_map.json.

    Refuses what `BytePairTokenizer` does not do: a space before each text, tokens added to the vocabulary.
    """
    slow, fast, special = (read_if_there(folder / name) for name in (TOKENIZER_CONFIG, FAST, SPECIAL))
    for field, accepted in (("tokenizer_class", (None, *_CLASSES)), ("add_prefix_space", (None, False))):
        check_field(slow, field, accepted, folder / TOKENIZER_CONFIG)
    names = {**_NAMES, **special_names(special, folder / SPECIAL), **special_names(slow, folder / TOKENIZER_CONFIG)}
    path, (vocabulary, merges) = (folder / FAST, _of_fast(fast, folder / FAST)) if fast else _of_files(folder)
    if not merges:
        raise UserError(f"{folder / _MERGES}: must have one merge per line, got none")
    rules = TokenRules(**names, merges=merges)
    check_only_special(folder, slow, fast, names.values(), "byte pairs")
    check_ids(vocabulary, rules, config.vocabulary_size, path, config_file)
    try:
        tokenizer = make_tokenizer(vocabulary, False, rules)
    except UserError as error:
        raise UserError(f"{path}: {error}") from None
    check_padding(tokenizer, config, path, config_file)
    return vocabulary, False, rules


def _of_fast(fast: Mapping[str, Any], path: Path) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Returns the pieces and merges of a tokenizer.json."""
    check_field(fast, "normalizer", (None,), path)
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


def write_byte_pair_files(folder: Path, pretrained: PretrainedBackbone, tokenizer_class: str) -> None:
    """Writes vocab.json, merges.txt and tokenizer_config.json, from which transformers builds the tokenizer."""
    rules = pretrained.rules
    write_json(folder / _VOCABULARY, {piece: number for number, piece in enumerate(pretrained.vocabulary)})
    write_text(folder / _MERGES, "".join(f"{line}\n" for line in (_VERSION, *rules.merges)))
    settings = {
        "tokenizer_class": tokenizer_class,
        "add_prefix_space": False,
        "model_max_length": pretrained.config.max_positions,
        **{field: getattr(rules, role) for role, field in ROLES.items()},
        "bos_token": rules.start,
        "eos_token": rules.end,
    }
    write_json(folder / TOKENIZER_CONFIG, settings)
