"""What the folders of Google and Hugging Face share: a config in JSON, vocab.txt and tokenizer_config.json."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mtdnn_tf.data.word_pieces import read_vocabulary
from mtdnn_tf.errors import UserError, unknown_name
from mtdnn_tf.files import write_text
from mtdnn_tf.json_files import read_json_object, write_json
from mtdnn_tf.modeling.backbone import BackboneConfig
from mtdnn_tf.modeling.checkpoints.pretrained import PretrainedBackbone

VOCABULARY = "vocab.txt"
_TOKENIZER_CONFIG = "tokenizer_config.json"
_MOST_LAYERS = 1000
_LARGEST_SIZE = 1 << 24
# Fields of the file by those of a backbone's config.
_SIZES = {
    "vocabulary_size": "vocab_size",
    "num_layers": "num_hidden_layers",
    "num_heads": "num_attention_heads",
    "hidden_dim": "hidden_size",
    "intermediate_dim": "intermediate_size",
    "max_positions": "max_position_embeddings",
    "num_segments": "type_vocab_size",
}


def check_size(what: str, value: Any, is_layers: bool, path: Path) -> None:
    """Refuses what is no size of an encoder: a file may name one that no machine could hold."""
    most = _MOST_LAYERS if is_layers else _LARGEST_SIZE
    if type(value) is not int or not 1 <= value <= most:
        raise UserError(f"{path}: {what} must be an integer from 1 to {most}, got {str(value)[:60]}")


def config_from_values(values: Mapping[str, Any], activations: Mapping[str, str], path: Path) -> BackboneConfig:
    """Returns the config of an encoder from a file's values, given activations by the names of `hidden_act`."""
    activation = values.get("hidden_act", "gelu")
    if activation not in activations:
        raise unknown_name("hidden_act", str(activation), activations, str(path))
    values = {"type_vocab_size": 2, **values}
    for field in _SIZES.values():
        if field not in values:
            raise UserError(f"{path}: field {field} is missing")
        check_size(f"field {field}", values[field], field == "num_hidden_layers", path)
    try:
        sizes = {name: values[field] for name, field in _SIZES.items()}
        return BackboneConfig(**sizes, activation=activations[activation])
    except UserError as error:
        raise UserError(f"{path}: {error}") from None


def checked_vocabulary(path: Path, config: BackboneConfig, config_file: str) -> tuple[str, ...]:
    """Returns the word pieces of a vocabulary file, refusing more than the encoder has embeddings."""
    vocabulary = tuple(read_vocabulary(path))
    if len(vocabulary) > config.vocabulary_size:
        raise UserError(f"{path}: {len(vocabulary)} word pieces, {config_file} has vocab_size {config.vocabulary_size}")
    return vocabulary


def write_vocabulary(path: Path, vocabulary: Sequence[str]) -> None:
    """Writes one word piece per line, in the order of their ids."""
    write_text(path, "".join(f"{piece}\n" for piece in vocabulary))


def is_uncased(vocabulary: Sequence[str]) -> bool:
    """Returns whether no word piece has an upper-case letter, except special tokens like [CLS]."""
    return all(piece == piece.lower() for piece in vocabulary if not piece.startswith("["))


def written_lowercase(folder: Path) -> bool | None:
    """Returns `do_lower_case` of a folder's tokenizer_config.json, or None if it is not there."""
    path = folder / _TOKENIZER_CONFIG
    if not path.is_file():
        return None
    values = read_json_object(path)
    lowercase = values.get("do_lower_case")
    if lowercase is not None and not isinstance(lowercase, bool):
        raise UserError(f"{path}: do_lower_case must be true or false, got {lowercase!r}")
    accents = values.get("strip_accents")
    if accents is not None and lowercase is not None and accents != lowercase:
        raise UserError(
            f"{path}: strip_accents must be null or equal to do_lower_case {lowercase}, got {accents}: accents are "
            "stripped where texts are lower-cased"
        )
    if values.get("tokenize_chinese_chars") is False:
        raise UserError(f"{path}: tokenize_chinese_chars must be true (BERT's), got false")
    return lowercase


def write_bert_files(
    pretrained: PretrainedBackbone,
    folder: Path,
    config_file: str,
    activations: Mapping[str, str],
    fields: Mapping[str, Any] | None = None,
) -> None:
    """Writes everything but the weights; `fields` are other fields of the config."""
    config = pretrained.config
    values = {
        **(fields or {}),
        "attention_probs_dropout_prob": 0.1,
        "hidden_act": next(name for name, value in activations.items() if value == config.activation),
        "hidden_dropout_prob": 0.1,
        "initializer_range": 0.02,
        **{field: getattr(config, name) for name, field in _SIZES.items()},
    }
    write_json(folder / config_file, values)
    write_vocabulary(folder / VOCABULARY, pretrained.vocabulary)
    tokens = {f"{name}_token": f"[{name.upper()}]" for name in ("unk", "sep", "pad", "cls", "mask")}
    settings = {
        "tokenizer_class": "BertTokenizer",
        "do_lower_case": pretrained.lowercase,
        "strip_accents": None,
        "tokenize_chinese_chars": True,
        "model_max_length": config.max_positions,
        **tokens,
    }
    write_json(folder / _TOKENIZER_CONFIG, settings)
