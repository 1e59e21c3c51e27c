"""What the folders of Google and Hugging Face share: a config in JSON, vocab.txt and tokenizer_config.json."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mtdnn_tf.errors import UserError, unknown_name
from mtdnn_tf.json_files import write_json
from mtdnn_tf.modeling.backbone import BackboneConfig
from mtdnn_tf.modeling.checkpoints.pretrained import PretrainedBackbone
from mtdnn_tf.modeling.checkpoints.tokenizer_files import write_tokenizer_files

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


def config_from_values(values: Mapping[str, Any], activations: Mapping[str, str], path: Path) -> BackboneConfig:
    """Returns the config of an encoder from a file's values, given activations by the names of `hidden_act`."""
    activation = values.get("hidden_act", "gelu")
    if activation not in activations:
        raise unknown_name("hidden_act", str(activation), activations, str(path))
    values = {"type_vocab_size": 2, **values}
    for field in SIZES.values():
        if field not in values:
            raise UserError(f"{path}: field {field} is missing")
    sizes = read_sizes(values, SIZES, path)
    try:
        return BackboneConfig(**sizes, activation=activations[activation])
    except UserError as error:
        raise UserError(f"{path}: {error}") from None


def write_bert_files(
    pretrained: PretrainedBackbone, folder: Path, config_file: str, activations: Mapping[str, str], **fields: Any
) -> None:
    """Writes everything but the weights; `fields` are other fields of the config."""
    config = pretrained.config
    values = {
        **fields,
        "attention_probs_dropout_prob": 0.1,
        "hidden_act": next(name for name, value in activations.items() if value == config.activation),
        "hidden_dropout_prob": 0.1,
        "initializer_range": 0.02,
        **{field: getattr(config, name) for name, field in SIZES.items()},
    }
    write_json(folder / config_file, values)
    write_tokenizer_files(folder, pretrained)
