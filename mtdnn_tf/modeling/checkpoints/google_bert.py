"""Reading and writing Google's BERT folders: bert_config.json, vocab.txt and a TensorFlow 1 checkpoint."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

import numpy as np
import tensorflow as tf

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
from mtdnn_tf.modeling.pooling import POOLER_WEIGHTS, folder_pooling

CONFIG = "bert_config.json"
VOCABULARY = "vocab.txt"
CHECKPOINT = "bert_model.ckpt"
# Google's code computes "gelu" by tanh, Hugging Face's by the error function.
ACTIVATIONS = {"gelu": "gelu_approximate", "relu": "relu"}
# What a checkpoint holds beside the encoder: the optimizer's state, the step, and the heads of pre-training.
_EXTRA = re.compile(r"global_step|.+/adam_[mv]|cls/.+")
# The released folders, by the casing that their README tells; the vocabularies of the uncased multilingual and Chinese
# ones do not tell it alone.
_RELEASED = (
    (re.compile(r"(wwm_)?uncased_L-|multilingual_L-|chinese_L-"), True),
    (re.compile(r"(wwm_)?cased_L-|multi_cased_L-"), False),
)
_LAYER_NORM = {"weight": "gamma", "bias": "beta"}


def google_name(name: str) -> str:
    """Returns a weight's name in Google's checkpoints, given that in Hugging Face's BertModel."""
    path, _, kind = name.rpartition(".")
    path = re.sub(r"encoder\.layer\.(\d+)", r"encoder.layer_\1", path).replace(".", "/")
    if path.endswith("_embeddings"):
        return f"bert/{path}"
    if path.endswith("LayerNorm"):
        return f"bert/{path}/{_LAYER_NORM[kind]}"
    return f"bert/{path}/{'kernel' if kind == 'weight' else kind}"


def find_checkpoint(folder: Path) -> Path | None:
    """Returns the prefix of a folder's TensorFlow checkpoint, or None if there is none.

    Raises:
        UserError: There are several, none of them of Google's name.
    """
    found = sorted(folder.glob("*.index"))
    if folder / f"{CHECKPOINT}.index" in found:
        return folder / CHECKPOINT
    if len(found) > 1:
        raise UserError(
            f"{folder}: one checkpoint, or {CHECKPOINT}.index, is accepted, "
            f"{', '.join(path.name for path in found[:5])} found"
        )
    return found[0].with_suffix("") if found else None


def _weights(prefix: Path, config: BackboneConfig) -> tuple[BackboneConfig, dict[str, np.ndarray]]:
    """Returns the config with its pooling, and the encoder's arrays in Hugging Face's layout.

    Every variable of the checkpoint is accounted for.
    """
    try:
        reader = tf.train.load_checkpoint(str(prefix))
        present = reader.get_variable_to_shape_map()
        if "_CHECKPOINTABLE_OBJECT_GRAPH" in present:
            raise UserError(
                f"{prefix}: an object checkpoint of TensorFlow 2; one with TensorFlow 1's variable names "
                "(bert/embeddings/word_embeddings, ...) is accepted"
            )
        pooler = [name for name in POOLER_WEIGHTS if google_name(name) in present]
        config = dataclasses.replace(config, pooling=folder_pooling(prefix.parent, pooler))
        wanted = {google_name(weight.name): weight for weight in encoder_weights(config)}
        missing = sorted(wanted.keys() - present.keys())
        if missing:
            raise UserError(f"{prefix}: {len(missing)} variables are missing, {', '.join(missing[:3])} among them")
        unused = sorted(name for name in present.keys() - wanted.keys() if not _EXTRA.fullmatch(name))
        if unused:
            raise UserError(
                f"{prefix}: {len(unused)} variables are not of a BERT encoder as {CONFIG} tells it, "
                f"{', '.join(unused[:3])} among them; beside it, adam_m, adam_v, global_step and cls/* are accepted"
            )
        arrays = {}
        for theirs, weight in wanted.items():
            shape = weight.shape[::-1] if weight.is_matrix else weight.shape
            if tuple(present[theirs]) != shape:
                raise UserError(f"{prefix}: variable {theirs} has shape {present[theirs]}, {CONFIG} asks for {shape}")
            array = np.asarray(reader.get_tensor(theirs))
            arrays[weight.name] = np.ascontiguousarray(array.T if weight.is_matrix else array)
        return config, arrays
    except (tf.errors.OpError, IndexError, ValueError, RuntimeError) as error:  # As TensorFlow's reader raises them.
        reason = " ".join(str(error).split())[:200]
        raise UserError(f"{prefix}: not a TensorFlow checkpoint, or damaged ({reason}); copy it again") from None


def _lowercase(folder: Path, vocabulary: list[str]) -> bool:
    written = written_lowercase(folder)
    if written is not None:
        return written
    for pattern, lowercase in _RELEASED:
        if pattern.match(folder.resolve().name):
            return lowercase
    return is_uncased(vocabulary)


def read_google_folder(folder: Path) -> PretrainedBackbone:
    """Reads bert_config.json, vocab.txt and the checkpoint of an encoder that Google's code trained.

    Whether the encoder is uncased is no part of these files: tokenizer_config.json tells it if there; else the name of
    a folder that Google released; else the vocabulary, which is uncased if no word piece has an upper-case letter.

    Args:
        folder: The folder.

    Raises:
        UserError: A file is missing, damaged, or of another architecture.
    """
    config_path = folder / CONFIG
    config = config_from_values(read_json_object(config_path), ACTIVATIONS, config_path)
    vocabulary = read_vocabulary(folder / VOCABULARY)
    check_vocabulary(vocabulary, config, folder / VOCABULARY, CONFIG)
    prefix = find_checkpoint(folder)
    if prefix is None:
        raise UserError(f"{folder}: {CHECKPOINT}.index is missing")
    config, weights = _weights(prefix, config)
    return PretrainedBackbone(str(folder), config, tuple(vocabulary), _lowercase(folder, vocabulary), weights)


def write_google_folder(pretrained: PretrainedBackbone, folder: Path) -> None:
    """Writes an encoder as Google's code does, and whether it is uncased as tokenizer_config.json.

    Args:
        pretrained: The encoder, with all weights as float32, its activation one of `ACTIVATIONS`.
        folder: An empty folder.
    """
    write_json(folder / CONFIG, config_values(pretrained.config, ACTIVATIONS))
    write_text(folder / VOCABULARY, "".join(f"{piece}\n" for piece in pretrained.vocabulary))
    write_json(folder / "tokenizer_config.json", tokenizer_settings(pretrained))
    arrays = {}
    for weight in encoder_weights(pretrained.config):
        array = pretrained.weights[weight.name]
        arrays[google_name(weight.name)] = array.T if weight.is_matrix else array
    names = sorted(arrays)
    # The operation behind TensorFlow 1's Saver, without a graph and a session.
    tf.raw_ops.SaveV2(
        prefix=str(folder / CHECKPOINT),
        tensor_names=names,
        shape_and_slices=[""] * len(names),
        tensors=[tf.constant(arrays[name]) for name in names],
    )
