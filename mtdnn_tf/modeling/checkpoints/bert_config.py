"""A BERT encoder's shape in JSON, with the fields that Google's and Hugging Face's config files share."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mtdnn_tf.errors import UserError, unknown_name
from mtdnn_tf.modeling.backbone import BackboneConfig

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
    """Refuses what is no size of an encoder: a file may tell of one that no machine could hold.

    Raises:
        UserError: The value is no whole number, or below 1, or too large.
    """
    most = _MOST_LAYERS if is_layers else _LARGEST_SIZE
    if type(value) is not int or not 1 <= value <= most:
        raise UserError(f"{path}: {what} must be an integer from 1 to {most}, got {str(value)[:60]}")


def config_from_values(values: Mapping[str, Any], activations: Mapping[str, str], path: Path) -> BackboneConfig:
    """Builds a backbone's config from the values of a config file.

    Args:
        values: The file's values.
        activations: Activations of a backbone by the names that `hidden_act` may have.
        path: The file, for messages.

    Raises:
        UserError: A value is missing or not accepted.
    """
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


def config_values(config: BackboneConfig, activations: Mapping[str, str]) -> dict[str, Any]:
    """Returns the values of a config file, with BERT's own dropout and range of initial weights.

    Args:
        config: The shape of the encoder.
        activations: Activations of a backbone by their names in the file; the first that fits is taken.
    """
    return {
        "attention_probs_dropout_prob": 0.1,
        "hidden_act": next(name for name, value in activations.items() if value == config.activation),
        "hidden_dropout_prob": 0.1,
        "initializer_range": 0.02,
        **{field: getattr(config, name) for name, field in _SIZES.items()},
    }


def check_vocabulary(vocabulary: list[str], config: BackboneConfig, path: Path, config_file: str) -> None:
    """Refuses a vocabulary with more word pieces than the encoder has embeddings.

    Raises:
        UserError: It has.
    """
    if len(vocabulary) > config.vocabulary_size:
        raise UserError(f"{path}: {len(vocabulary)} word pieces, {config_file} has vocab_size {config.vocabulary_size}")
