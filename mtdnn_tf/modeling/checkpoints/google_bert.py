"""Reading and writing Google's BERT folders: bert_config.json, vocab.txt and a TensorFlow 1 checkpoint."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import tensorflow as tf

from mtdnn_tf.errors import UserError, one_line
from mtdnn_tf.json_files import read_json_object, write_json
from mtdnn_tf.modeling.backbone import BackboneConfig
from mtdnn_tf.modeling.bert_weights import POOLER_WEIGHTS, Weight, encoder_weights
from mtdnn_tf.modeling.checkpoints.bert_files import config_from_values, values_of_config
from mtdnn_tf.modeling.checkpoints.pretrained import PretrainedBackbone, folder_pooling
from mtdnn_tf.modeling.checkpoints.tokenizer_files import read_tokenizer_files, write_tokenizer_files

CONFIG = "bert_config.json"
_CHECKPOINT = "bert_model.ckpt"
# Google's code computes "gelu" by tanh, Hugging Face's by the error function.
ACTIVATIONS = {"gelu": "gelu_approximate", "relu": "relu"}
# What a checkpoint holds beside the encoder: the optimizer's state, the step, and the heads of pre-training.
_EXTRA = re.compile(r"global_step|.+/adam_[mv]|cls/.+")
# The released folders, by the casing in their README; the vocabularies of the uncased multilingual and Chinese ones do
# not show it.
_RELEASED = (
    (re.compile(r"(wwm_)?uncased_L-|multilingual_L-|chinese_L-"), True),
    (re.compile(r"(wwm_)?cased_L-|multi_cased_L-"), False),
)
_LAYER_NORM = {"weight": "gamma", "bias": "beta"}


def _google_name(name: str) -> str:
    """Returns a weight's name in Google's checkpoints, given that in Hugging Face's BertModel."""
    path, _, kind = name.rpartition(".")
    path = re.sub(r"encoder\.layer\.(\d+)", r"encoder.layer_\1", path).replace(".", "/")
    if path.endswith("_embeddings"):
        return f"bert/{path}"
    if path.endswith("LayerNorm"):
        return f"bert/{path}/{_LAYER_NORM[kind]}"
    return f"bert/{path}/{'kernel' if kind == 'weight' else kind}"


def _find_checkpoint(folder: Path) -> Path:
    """Returns the prefix of a folder's TensorFlow checkpoint: Google's name, or the only one there is."""
    found = sorted(folder.glob("*.index"))
    if folder / f"{_CHECKPOINT}.index" in found:
        return folder / _CHECKPOINT
    if not found:
        raise UserError(f"{folder}: {_CHECKPOINT}.index is missing")
    if len(found) > 1:
        names = ", ".join(path.name for path in found[:5])
        raise UserError(f"{folder}: must have one checkpoint, or {_CHECKPOINT}.index, got {names}")
    return found[0].with_suffix("")


def _weights(prefix: Path, config: BackboneConfig) -> tuple[BackboneConfig, dict[str, np.ndarray]]:
    """Returns the config with its pooling, and the encoder's arrays in Hugging Face's layout."""
    try:
        reader = tf.train.load_checkpoint(str(prefix))
        present = reader.get_variable_to_shape_map()
        if "_CHECKPOINTABLE_OBJECT_GRAPH" in present:
            raise UserError(
                f"{prefix}: an object checkpoint of TensorFlow 2; one with TensorFlow 1's variable names "
                "(bert/embeddings/word_embeddings, ...) is accepted"
            )
        pooler = [name for name in POOLER_WEIGHTS if _google_name(name) in present]
        config = dataclasses.replace(config, pooling=folder_pooling(prefix.parent, pooler))
        wanted = {_google_name(weight.name): weight for weight in encoder_weights(config)}
        _check_variables(prefix, present, wanted)
        arrays = {}
        for theirs, weight in wanted.items():
            array = np.asarray(reader.get_tensor(theirs))
            arrays[weight.name] = np.ascontiguousarray(array.T if weight.is_matrix else array)
        return config, arrays
    except (tf.errors.OpError, IndexError, ValueError, RuntimeError) as error:  # As TensorFlow's reader raises them.
        reason = one_line(error)
        raise UserError(f"{prefix}: not a TensorFlow checkpoint, or damaged ({reason}); copy it again") from None


def _check_variables(prefix: Path, present: Mapping[str, list[int]], wanted: Mapping[str, Weight]) -> None:
    """Accounts for every variable of a checkpoint, given by name with its shape."""
    missing = sorted(wanted.keys() - present.keys())
    if missing:
        raise UserError(f"{prefix}: {len(missing)} variables are missing, {', '.join(missing[:3])} among them")
    unused = sorted(name for name in present.keys() - wanted.keys() if not _EXTRA.fullmatch(name))
    if unused:
        raise UserError(
            f"{prefix}: {len(unused)} variables are not part of the encoder that {CONFIG} describes, "
            f"{', '.join(unused[:3])} among them; beside it, adam_m, adam_v, global_step and cls/* are accepted"
        )
    for theirs, weight in wanted.items():
        shape = weight.shape[::-1] if weight.is_matrix else weight.shape
        if tuple(present[theirs]) != shape:
            raise UserError(f"{prefix}: variable {theirs} has shape {present[theirs]}, {CONFIG} asks for {shape}")


def read_folder(folder: Path) -> PretrainedBackbone:
    """Reads bert_config.json, vocab.txt and the checkpoint of an encoder that Google's code trained.

    Whether the encoder is uncased is no part of these files: tokenizer_config.json says it if it is there; else the
    name of a folder that Google released; else the vocabulary.
    """
    config_path = folder / CONFIG
    config = config_from_values(read_json_object(config_path), ACTIVATIONS, config_path)
    released = [lowercase for pattern, lowercase in _RELEASED if pattern.match(folder.resolve().name)]
    vocabulary, lowercase, rules = read_tokenizer_files(folder, config, CONFIG, next(iter(released), None))
    config, weights = _weights(_find_checkpoint(folder), config)
    return PretrainedBackbone(str(folder), config, vocabulary, lowercase, weights, rules)


def write_folder(pretrained: PretrainedBackbone, folder: Path) -> None:
    """Writes an encoder with float32 weights as Google's code does, and its casing as tokenizer_config.json."""
    write_json(folder / CONFIG, values_of_config(pretrained.config, ACTIVATIONS))
    write_tokenizer_files(folder, pretrained)
    arrays = {}
    for weight in encoder_weights(pretrained.config):
        array = pretrained.weights[weight.name]
        arrays[_google_name(weight.name)] = array.T if weight.is_matrix else array
    names = sorted(arrays)
    # The operation behind TensorFlow 1's Saver, without a graph and a session.
    tf.raw_ops.SaveV2(
        prefix=str(folder / _CHECKPOINT),
        tensor_names=names,
        shape_and_slices=[""] * len(names),
        tensors=[tf.constant(arrays[name]) for name in names],
    )
