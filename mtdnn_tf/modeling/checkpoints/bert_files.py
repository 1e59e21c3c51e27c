"""What the configs of Google's and Hugging Face's folders share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mtdnn_tf.errors import UserError, unknown_name
from mtdnn_tf.modeling.backbone import BackboneConfig

_MOST_LAYERS = 1000
_LARGEST_SIZE = 1 << 24
# Fields of the file by those of a backbone's config.
SIZES = {
    "vocabulary_size": "vocab_size",
    "num_layers": "num_hidden_layers",
    "num_heads": "num_attention_heads",
    "hidden_dim": "hidden_size",
    "intermediate_dim": "intermediate_size",
    "max_positions": "max_position_embeddings",
    "num_segments": "type_vocab_size",
}


def read_sizes(values: Mapping[str, Any], fields: Mapping[str, str], path: Path) -> dict[str, Any]:
    """Returns the sizes of an encoder, given the file's fields of them; a file may name sizes that no machine holds."""
    for name, field in fields.items():
        given, most = values.get(field), _MOST_LAYERS if name == "num_layers" else _LARGEST_SIZE
        if type(given) is not int or not 1 <= given <= most:
            raise UserError(f"{path}: field {field} must be an integer from 1 to {most}, got {str(given)[:60]}")
    return {name: values[field] for name, field in fields.items()}


def config_from_values(
    values: Mapping[str, Any],
    activations: Mapping[str, str],
    path: Path,
    fields: Mapping[str, str] = SIZES,
    activation_field: str = "hidden_act",
    **more: Any,
) -> BackboneConfig:
    """Returns the config of an encoder from a file's values.

    Args:
        values: Of the file.
        activations: Of a backbone by those of the file.
        path: The file, for messages.
        fields: The file's fields of sizes by those of a backbone's config. Defaults to BERT's.
        activation_field: The file's field of the activation.
        more: Fields of the backbone's config that the file does not have in this form.
    """
    activation = values.get(activation_field, "gelu")
    if activation not in activations:
        raise unknown_name(activation_field, str(activation), activations, str(path))
    values = {"type_vocab_size": 2, **values}
    for field in fields.values():
        if field not in values:
            raise UserError(f"{path}: field {field} is missing")
    sizes = read_sizes(values, fields, path)
    try:
        return BackboneConfig(**sizes, activation=activations[activation], **more)
    except UserError as error:
        raise UserError(f"{path}: {error}") from None


def values_of_config(
    config: BackboneConfig,
    activations: Mapping[str, str],
    fields: Mapping[str, str] = SIZES,
    activation_field: str = "hidden_act",
    dropouts: Sequence[str] = ("hidden_dropout_prob", "attention_probs_dropout_prob"),
) -> dict[str, Any]:
    """Returns the values that a file has of an encoder; `config_from_values` describes the arguments."""
    return {
        **dict.fromkeys(dropouts[1:], 0.1),
        activation_field: next(name for name, value in activations.items() if value == config.activation),
        **dict.fromkeys(dropouts[:1], 0.1),
        "initializer_range": 0.02,
        **{field: getattr(config, name) for name, field in fields.items()},
    }
