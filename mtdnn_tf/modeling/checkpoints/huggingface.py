"""Reading and writing a Hugging Face folder of a BERT encoder."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

import numpy as np
from safetensors.numpy import save_file

from mtdnn_tf.data.word_pieces import special_ids
from mtdnn_tf.errors import UserError
from mtdnn_tf.json_files import read_json_object
from mtdnn_tf.modeling.backbone import BackboneConfig
from mtdnn_tf.modeling.bert_weights import encoder_weights
from mtdnn_tf.modeling.checkpoints.bert_files import config_from_values, write_bert_files
from mtdnn_tf.modeling.checkpoints.pretrained import (
    PretrainedBackbone,
    folder_pooling,
    read_safetensors,
    write_folder_pooling,
)
from mtdnn_tf.modeling.checkpoints.tokenizer_files import read_tokenizer_files

CONFIG = "config.json"
WEIGHTS = "model.safetensors"
SHARDS = "model.safetensors.index.json"
ACTIVATIONS = {
    "gelu": "gelu",
    "gelu_new": "gelu_approximate",
    "gelu_pytorch_tanh": "gelu_approximate",
    "relu": "relu",
}
_PREFIX = re.compile(r"(model\.)?(bert\.)?(?=embeddings\.|encoder\.|pooler\.)")
# The values that are read, and the default, of fields that would change what is computed.
_REQUIRED = {"position_embedding_type": "absolute", "layer_norm_eps": 1e-12}


def has_weights(folder: Path) -> bool:
    """Returns whether a folder holds weights that are read: one file, or the index of several."""
    return (folder / WEIGHTS).is_file() or (folder / SHARDS).is_file()


def _config(folder: Path) -> BackboneConfig:
    path = folder / CONFIG
    values = read_json_object(path)
    for name, required in {"model_type": "bert", **_REQUIRED}.items():
        given = values.get(name, _REQUIRED.get(name))
        if given != required:
            raise UserError(f"{path}: {name} must be {required!r}, got {given!r}")
    return config_from_values(values, ACTIVATIONS, path)


def _load_shards(folder: Path) -> dict[str, np.ndarray]:
    path = folder / SHARDS
    files = read_json_object(path).get("weight_map")
    if not isinstance(files, dict) or not files or not all(isinstance(file, str) for file in files.values()):
        raise UserError(f"{path}: weight_map, the file of each weight, is missing")
    arrays = {}
    for file in sorted(set(files.values())):
        if Path(file).name != file:
            raise UserError(f"{path}: must name files in the same folder, got {file!r}")
        if not (folder / file).is_file():
            raise UserError(f"{folder / file}: missing, though {SHARDS} names it; copy the folder again")
        shard = read_safetensors(folder / file, "copy it again")
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
        arrays = read_safetensors(path, "copy it again")
    else:
        path, arrays = folder / SHARDS, _load_shards(folder)
    # A BertForX keeps its encoder under "bert." or "model."; checkpoints converted from TF 1 have gamma and beta.
    renamed: dict[str, np.ndarray] = {}
    for name, array in arrays.items():
        name = _PREFIX.sub("", name)
        name = name.replace("LayerNorm.gamma", "LayerNorm.weight").replace("LayerNorm.beta", "LayerNorm.bias")
        if name in renamed:
            raise UserError(f"{path}: duplicate weight {name}, with and without 'bert.' or by an older name")
        renamed[name] = array
    # Heads beside the encoder are ignored; a layer that is not in the config would change what is computed.
    names = {weight.name for weight in encoder_weights(config)}
    for name, array in sorted(renamed.items()):
        if name.startswith("encoder.") and name not in names:
            raise UserError(f"{path}: weight {name} is not part of the encoder that {CONFIG} describes")
        if name in names and array.dtype.kind in "iub":
            raise UserError(f"{path}: weights must be floating-point, {name} is {array.dtype}")
    return renamed


def read_folder(folder: Path) -> PretrainedBackbone:
    """Reads config.json, model.safetensors (or its shards), vocab.txt and tokenizer_config.json of a BERT encoder."""
    config = _config(folder)
    vocabulary, lowercase, rules = read_tokenizer_files(folder, config, CONFIG)
    weights = _weights(folder, config)
    config = dataclasses.replace(config, pooling=folder_pooling(folder, weights))
    return PretrainedBackbone(str(folder), config, vocabulary, lowercase, weights, rules)


def write_folder(pretrained: PretrainedBackbone, folder: Path) -> None:
    """Writes an encoder with float32 weights as the folder of a BertModel that transformers loads."""
    fields = {
        "architectures": ["BertModel"],
        "model_type": "bert",
        "layer_norm_eps": 1e-12,
        "pad_token_id": special_ids(pretrained.vocabulary, pretrained.rules)[pretrained.rules.pad],
        "position_embedding_type": "absolute",
    }
    write_bert_files(pretrained, folder, CONFIG, ACTIVATIONS, **fields)
    write_folder_pooling(folder, pretrained.config)
    # transformers opens a file only if it says of which framework its tensors are.
    save_file(dict(pretrained.weights), folder / WEIGHTS, metadata={"format": "pt"})
