"""Reading a Hugging Face folder of a BERT encoder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file

from mtdnn_tf.data.word_pieces import read_vocabulary
from mtdnn_tf.errors import UserError, unknown_name
from mtdnn_tf.files import read_json
from mtdnn_tf.modeling.backbone import BackboneConfig
from mtdnn_tf.modeling.pretrained import PretrainedBackbone, is_uncased

CONFIG = "config.json"
WEIGHTS = "model.safetensors"
VOCABULARY = "vocab.txt"
# Fields of a backbone's config by those of config.json.
_SIZES = {
    "vocabulary_size": "vocab_size",
    "num_layers": "num_hidden_layers",
    "num_heads": "num_attention_heads",
    "hidden_dim": "hidden_size",
    "intermediate_dim": "intermediate_size",
    "max_positions": "max_position_embeddings",
    "num_segments": "type_vocab_size",
}
_ACTIVATIONS = {
    "gelu": "gelu",
    "gelu_new": "gelu_approximate",
    "gelu_pytorch_tanh": "gelu_approximate",
    "relu": "relu",
}


def _config(folder: Path) -> BackboneConfig:
    path = folder / CONFIG
    values: dict[str, Any] = read_json(path)
    if not isinstance(values, dict):
        raise UserError(f"{path}: an object of JSON is accepted, {str(values)[:60]} given")
    if values.get("model_type") != "bert":
        raise UserError(f"{path}: model_type 'bert' is accepted, {values.get('model_type')!r} given")
    if values.get("position_embedding_type", "absolute") != "absolute":
        raise UserError(
            f"{path}: position_embedding_type 'absolute' is accepted, {values['position_embedding_type']!r} given"
        )
    if values.get("layer_norm_eps", 1e-12) != 1e-12:
        raise UserError(f"{path}: layer_norm_eps 1e-12 is accepted (BERT's), {values['layer_norm_eps']} given")
    activation = values.get("hidden_act", "gelu")
    if activation not in _ACTIVATIONS:
        raise unknown_name("hidden_act", str(activation), _ACTIVATIONS, str(path))
    values.setdefault("type_vocab_size", 2)
    for field in _SIZES.values():
        if field not in values:
            raise UserError(f"{path}: field {field} is missing")
        if type(values[field]) is not int or values[field] < 1:
            raise UserError(f"{path}: field {field} takes a whole number from 1, {values[field]!r} given")
    try:
        sizes = {name: values[field] for name, field in _SIZES.items()}
        return BackboneConfig(**sizes, activation=_ACTIVATIONS[activation])
    except UserError as error:
        raise UserError(f"{path}: {error}") from None


def _weights(folder: Path) -> dict[str, np.ndarray]:
    path = folder / WEIGHTS
    if not path.is_file():
        raise UserError(
            f"{folder}: {WEIGHTS} is missing; a pickled pytorch_model.bin can run code when opened and is not read: "
            "save the model with safe_serialization=True"
        )
    try:
        arrays = load_file(path)
    except (SafetensorError, OSError, ValueError) as error:
        raise UserError(f"{path}: not a safetensors file, or damaged ({error}); copy it again") from None
    # A BertForX keeps its encoder under "bert."; checkpoints converted from TF 1 call gamma and beta by those names.
    renamed = {}
    for name, array in arrays.items():
        name = name.removeprefix("bert.")
        name = name.replace("LayerNorm.gamma", "LayerNorm.weight").replace("LayerNorm.beta", "LayerNorm.bias")
        renamed[name] = array
    return renamed


def read_huggingface_folder(folder: Path) -> PretrainedBackbone:
    """Reads config.json, model.safetensors and vocab.txt of a BERT encoder.

    Args:
        folder: The folder; tokenizer_config.json, if there, tells whether the vocabulary is uncased.

    Raises:
        UserError: A file is missing, damaged, or of another architecture.
    """
    config = _config(folder)
    vocabulary = read_vocabulary(folder / VOCABULARY)
    if len(vocabulary) > config.vocabulary_size:
        raise UserError(
            f"{folder / VOCABULARY}: {len(vocabulary)} word pieces, {CONFIG} has vocab_size {config.vocabulary_size}"
        )
    tokenizer_config = folder / "tokenizer_config.json"
    lowercase = is_uncased(vocabulary)
    if tokenizer_config.is_file():
        lowercase = bool(read_json(tokenizer_config).get("do_lower_case", lowercase))
    return PretrainedBackbone(str(folder), config, tuple(vocabulary), lowercase, _weights(folder))
