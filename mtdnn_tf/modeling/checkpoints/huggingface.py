"""Reading and writing a Hugging Face folder of a BERT encoder."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
from safetensors.numpy import save_file

from mtdnn_tf.data.word_pieces import read_vocabulary
from mtdnn_tf.errors import UserError
from mtdnn_tf.files import write_text
from mtdnn_tf.json_files import read_json_object, write_json
from mtdnn_tf.modeling.backbone import BackboneConfig
from mtdnn_tf.modeling.bert_weights import encoder_weights
from mtdnn_tf.modeling.checkpoints.bert_config import check_vocabulary, config_from_values, config_values
from mtdnn_tf.modeling.checkpoints.pretrained import (
    PretrainedBackbone,
    is_uncased,
    tokenizer_settings,
    written_lowercase,
)
from mtdnn_tf.modeling.checkpoints.safetensors_file import read_safetensors
from mtdnn_tf.modeling.pooling import folder_pooling, write_folder_pooling

CONFIG = "config.json"
WEIGHTS = "model.safetensors"
SHARDS = "model.safetensors.index.json"
VOCABULARY = "vocab.txt"
ACTIVATIONS = {
    "gelu": "gelu",
    "gelu_new": "gelu_approximate",
    "gelu_pytorch_tanh": "gelu_approximate",
    "relu": "relu",
}


def has_weights(folder: Path) -> bool:
    """Tells whether a folder holds weights that are read: one file, or the index of several."""
    return (folder / WEIGHTS).is_file() or (folder / SHARDS).is_file()


def _config(folder: Path) -> BackboneConfig:
    path = folder / CONFIG
    values = read_json_object(path)
    if values.get("model_type") != "bert":
        raise UserError(f"{path}: model_type 'bert' is accepted, {values.get('model_type')!r} given")
    if values.get("position_embedding_type", "absolute") != "absolute":
        raise UserError(
            f"{path}: position_embedding_type 'absolute' is accepted, {values['position_embedding_type']!r} given"
        )
    if values.get("layer_norm_eps", 1e-12) != 1e-12:
        raise UserError(f"{path}: layer_norm_eps 1e-12 is accepted (BERT's), {values['layer_norm_eps']} given")
    return config_from_values(values, ACTIVATIONS, path)


def _load(path: Path) -> dict[str, np.ndarray]:
    if not path.is_file():
        raise UserError(f"{path}: missing, though {SHARDS} names it; copy the folder again")
    return read_safetensors(path, "copy it again")


def _load_shards(folder: Path) -> dict[str, np.ndarray]:
    path = folder / SHARDS
    files = read_json_object(path).get("weight_map")
    if not isinstance(files, dict) or not files or not all(isinstance(file, str) for file in files.values()):
        raise UserError(f"{path}: weight_map, the file of each weight, is missing")
    arrays = {}
    for file in sorted(set(files.values())):
        if Path(file).name != file:
            raise UserError(f"{path}: names of files in the same folder are accepted, {file!r} given")
        shard = _load(folder / file)
        for name in (name for name, place in files.items() if place == file):
            if name not in shard:
                raise UserError(f"{folder / file}: weight {name} is missing, though {SHARDS} names it")
            arrays[name] = shard[name]
    return arrays


def _weights(folder: Path, config: BackboneConfig) -> dict[str, np.ndarray]:
    if not has_weights(folder):
        pickled = sorted(path.name for path in folder.glob("*.bin"))
        raise UserError(
            f"{folder}: {WEIGHTS} is missing; "
            + (f"{pickled[0]} is there, but " if pickled else "")
            + "a pickled pytorch_model.bin can run code when opened and is not read: where you trust it, "
            "AutoModel.from_pretrained(FOLDER).save_pretrained(FOLDER, safe_serialization=True) of transformers writes "
            "the file that is"
        )
    path = folder / WEIGHTS
    if path.is_file():
        arrays = _load(path)
    else:
        path, arrays = folder / SHARDS, _load_shards(folder)
    # A BertForX keeps its encoder under "bert."; checkpoints converted from TF 1 call gamma and beta by those names.
    renamed: dict[str, np.ndarray] = {}
    for name, array in arrays.items():
        name = name[len("bert.") :] if name.startswith("bert.") else name
        name = name.replace("LayerNorm.gamma", "LayerNorm.weight").replace("LayerNorm.beta", "LayerNorm.bias")
        if name in renamed:
            raise UserError(f"{path}: duplicate weight {name}, with and without 'bert.' or by an older name")
        renamed[name] = array
    # Heads beside the encoder are ignored; a layer that is not in the config would change what is computed.
    names = {weight.name for weight in encoder_weights(config)}
    for name, array in sorted(renamed.items()):
        if name.startswith("encoder.") and name not in names:
            raise UserError(f"{path}: weight {name} is not of an encoder as {CONFIG} tells it")
        if name in names and array.dtype.kind in "iub":
            raise UserError(f"{path}: floating-point weights are accepted, {name} is {array.dtype}")
    return renamed


def read_huggingface_folder(folder: Path) -> PretrainedBackbone:
    """Reads config.json, model.safetensors (or its shards) and vocab.txt of a BERT encoder.

    The pooling is what `pooling.folder_pooling` finds.

    Args:
        folder: The folder; tokenizer_config.json, if there, tells whether the vocabulary is uncased.

    Raises:
        UserError: A file is missing, damaged, or of another architecture.
    """
    config = _config(folder)
    vocabulary = read_vocabulary(folder / VOCABULARY)
    check_vocabulary(vocabulary, config, folder / VOCABULARY, CONFIG)
    lowercase = written_lowercase(folder)
    if lowercase is None:
        lowercase = is_uncased(vocabulary)
    weights = _weights(folder, config)
    config = dataclasses.replace(config, pooling=folder_pooling(folder, weights))
    return PretrainedBackbone(str(folder), config, tuple(vocabulary), lowercase, weights)


def write_huggingface_folder(pretrained: PretrainedBackbone, folder: Path) -> None:
    """Writes an encoder as the folder of a BertModel that transformers loads.

    Args:
        pretrained: The encoder, with all weights as float32.
        folder: An empty folder.
    """
    padding = pretrained.vocabulary.index("[PAD]")
    values = {
        "architectures": ["BertModel"],
        "model_type": "bert",
        "layer_norm_eps": 1e-12,
        "pad_token_id": padding,
        "position_embedding_type": "absolute",
        **config_values(pretrained.config, ACTIVATIONS),
    }
    write_json(folder / CONFIG, values)
    write_text(folder / VOCABULARY, "".join(f"{piece}\n" for piece in pretrained.vocabulary))
    write_json(folder / "tokenizer_config.json", tokenizer_settings(pretrained))
    write_folder_pooling(folder, pretrained.config.pooling, pretrained.config.hidden_dim)
    # transformers opens a file only if it says of which framework its tensors are.
    save_file(dict(pretrained.weights), folder / WEIGHTS, metadata={"format": "pt"})
