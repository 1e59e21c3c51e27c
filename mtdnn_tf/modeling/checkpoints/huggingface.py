"""Reading and writing a Hugging Face folder of an encoder."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
from safetensors.numpy import save_file

from mtdnn_tf.data.word_pieces import TokenRules, special_ids
from mtdnn_tf.errors import UserError
from mtdnn_tf.json_files import read_json_object, write_json
from mtdnn_tf.modeling.backbone import EPSILON, BackboneConfig
from mtdnn_tf.modeling.bert_weights import WORD_EMBEDDINGS, check_weights
from mtdnn_tf.modeling.checkpoints.bert_files import config_from_values, values_of_config
from mtdnn_tf.modeling.checkpoints.byte_pair_files import (
    MODERN,
    ROBERTA,
    Layout,
    read_byte_pair_files,
    write_byte_pair_files,
)
from mtdnn_tf.modeling.checkpoints.families import (
    ALBERT_PIECES,
    BYTE_PAIRS,
    DEBERTA_PIECES,
    FAMILIES,
    MODERN_PAIRS,
    WORD_PIECES,
    XLMR_PIECES,
    Family,
    family_of,
)
from mtdnn_tf.modeling.checkpoints.modern_fields import read_windows, values_of_windows
from mtdnn_tf.modeling.checkpoints.pretrained import (
    PretrainedBackbone,
    folder_pooling,
    read_safetensors,
    write_folder_pooling,
)
from mtdnn_tf.modeling.checkpoints.sentence_piece_files import (
    ALBERT,
    DEBERTA,
    XLMR,
    read_sentence_piece_files,
    write_sentence_piece_files,
)
from mtdnn_tf.modeling.checkpoints.tokenizer_files import read_tokenizer_files, write_tokenizer_files

CONFIG = "config.json"
WEIGHTS = "model.safetensors"
SHARDS = "model.safetensors.index.json"
ACTIVATIONS = {
    "gelu": "gelu",
    "gelu_new": "gelu_approximate",
    "gelu_pytorch_tanh": "gelu_approximate",
    "relu": "relu",
}


class _TokenizerFiles(NamedTuple):
    """How the files of a kind of tokenizer are read and written."""

    read: Callable[[Path, BackboneConfig, str], tuple[tuple[str, ...], bool, TokenRules]]
    write: Callable[[Path, PretrainedBackbone, str], None]


def _byte_pair_files(layout: Layout) -> _TokenizerFiles:
    return _TokenizerFiles(
        functools.partial(read_byte_pair_files, layout), functools.partial(write_byte_pair_files, layout)
    )


_TOKENIZERS = {
    WORD_PIECES: _TokenizerFiles(read_tokenizer_files, write_tokenizer_files),
    BYTE_PAIRS: _byte_pair_files(ROBERTA),
    MODERN_PAIRS: _byte_pair_files(MODERN),
    XLMR_PIECES: _TokenizerFiles(functools.partial(read_sentence_piece_files, XLMR), write_sentence_piece_files),
    ALBERT_PIECES: _TokenizerFiles(functools.partial(read_sentence_piece_files, ALBERT), write_sentence_piece_files),
    DEBERTA_PIECES: _TokenizerFiles(functools.partial(read_sentence_piece_files, DEBERTA), write_sentence_piece_files),
}


class _Weights(NamedTuple):
    """The weights of an encoder."""

    arrays: dict[str, np.ndarray]  # By their names of `bert_weights`.
    in_file: dict[str, str]  # What the file calls them.

    def file_name(self, family: Family) -> Callable[[str], str]:
        """Returns a function from a weight's name to what the file calls it, or would call it."""
        one, known = self.in_file.get(WORD_EMBEDDINGS, ""), family.file_name(WORD_EMBEDDINGS)
        prefix = one[: len(one) - len(known)]
        return lambda name: self.in_file.get(name, prefix + family.file_name(name))


def has_weights(folder: Path) -> bool:
    """Returns whether a folder holds weights that are read: one file, or the index of several."""
    return (folder / WEIGHTS).is_file() or (folder / SHARDS).is_file()


def _config(path: Path) -> tuple[Family, BackboneConfig]:
    values = read_json_object(path)
    family = family_of(values.get("model_type"), path)
    values = {**family.defaults, **values}
    family.check_required(values, path)
    epsilon = values.get(family.epsilon, EPSILON) if family.epsilon else EPSILON
    if type(epsilon) is not float:
        raise UserError(f"{path}: {family.epsilon} must be a number between 0 and 1, got {str(epsilon)[:60]}")
    more = {"model_type": family.model_type, "norm_epsilon": epsilon, **family.fixed}
    if family.has_windows:
        more.update(read_windows(values, path))
    if family.counts_from_padding:
        pad, rows = values.get("pad_token_id", 1), values.get("max_position_embeddings")
        if type(pad) is not int or type(rows) is not int or not 0 <= pad < rows - 1:
            raise UserError(f"{path}: max_position_embeddings must be above pad_token_id + 1, got {rows} and {pad}")
        more["position_offset"] = pad + 1
        values = {**values, "max_position_embeddings": rows - pad - 1}
    return family, config_from_values(values, ACTIVATIONS, path, family.sizes, family.activation, **more)


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


def _load(folder: Path) -> tuple[Path, dict[str, np.ndarray]]:
    """Returns all arrays of a folder by name, and the file that has or lists them."""
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
        return path, read_safetensors(path, "copy it again")
    return folder / SHARDS, _load_shards(folder)


def _weights(path: Path, arrays: Mapping[str, np.ndarray], family: Family, config: BackboneConfig) -> _Weights:
    """Finds an encoder's weights among all arrays of a file.

    Heads beside the encoder are ignored; a layer that is not in the config would change what is computed.
    """
    names = family.names(config)
    found: dict[str, str] = {}
    # Checkpoints converted from TF 1 have gamma and beta.
    for in_file in sorted(arrays):
        name = family.without_prefix(in_file)
        name = name.replace("LayerNorm.gamma", "LayerNorm.weight").replace("LayerNorm.beta", "LayerNorm.bias")
        if name not in names and not name.startswith(f"{family.layers}."):
            continue
        if name not in names:
            raise UserError(f"{path}: weight {in_file} is not part of the encoder that {CONFIG} describes")
        if arrays[in_file].dtype.kind in "iub":
            raise UserError(f"{path}: weights must be floating-point, {in_file} is {arrays[in_file].dtype}")
        if names[name] in found:
            other = found[names[name]]
            raise UserError(f"{path}: duplicate weight {name}, as {other} and {in_file}")
        found[names[name]] = in_file
    return _Weights({name: arrays[in_file] for name, in_file in found.items()}, found)


def read_folder(folder: Path) -> PretrainedBackbone:
    """Reads config.json, model.safetensors (or its shards) and the tokenizer's files of an encoder.

    Raises:
        UserError: The encoder is of no family that is read, or its files do not fit together.
    """
    family, config = _config(folder / CONFIG)
    vocabulary, lowercase, rules = _TOKENIZERS[family.tokenizer].read(folder, config, CONFIG)
    path, arrays = _load(folder)
    weights = _weights(path, arrays, family, config)
    config = dataclasses.replace(config, pooling=folder_pooling(folder, weights.arrays))
    check_weights(config, weights.arrays, str(path), weights.file_name(family))
    return PretrainedBackbone(str(folder), config, vocabulary, lowercase, weights.arrays, rules)


def read_shape(path: Path) -> PretrainedBackbone:
    """Reads a config.json, of any name, as an encoder with random weights; the tokenizer's files are in its folder.

    Raises:
        UserError: The encoder is of no family that is read, or the tokenizer's files do not fit it.
    """
    family, config = _config(path)
    vocabulary, lowercase, rules = _TOKENIZERS[family.tokenizer].read(path.parent, config, path.name)
    config = dataclasses.replace(config, pooling=folder_pooling(path.parent, ()))
    return PretrainedBackbone(str(path), config, vocabulary, lowercase, {}, rules)


def write_folder(pretrained: PretrainedBackbone, folder: Path) -> None:
    """Writes an encoder with float32 weights as a folder that transformers loads, of the family that it is of."""
    config = pretrained.config
    family, rules = FAMILIES[config.model_type], pretrained.rules
    ids = special_ids(pretrained.vocabulary, rules)
    values = {
        "architectures": [family.architecture],
        "model_type": family.model_type,
        **({family.epsilon: config.norm_epsilon} if family.epsilon else {}),
        "pad_token_id": ids[rules.pad],
        **(values_of_windows(config, ids[rules.start], ids[rules.end]) if family.has_windows else {}),
        **{name: value for name, value in family.required.items() if name != "is_decoder"},
        **values_of_config(config, ACTIVATIONS, family.sizes, family.activation, family.dropouts),
    }
    if family.counts_from_padding:
        values["max_position_embeddings"] += config.position_offset
    write_json(folder / CONFIG, values)
    _TOKENIZERS[family.tokenizer].write(folder, pretrained, family.tokenizer_class)
    write_folder_pooling(folder, config)
    arrays = {family.file_name(name): array for name, array in pretrained.weights.items()}
    # transformers opens a file only if it says of which framework its tensors are.
    save_file(arrays, folder / WEIGHTS, metadata={"format": "pt"})
