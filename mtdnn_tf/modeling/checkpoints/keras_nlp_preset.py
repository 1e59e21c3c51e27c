"""Reading a KerasNLP BERT preset, by name or from a folder, and writing the folder of one."""

from __future__ import annotations

import importlib.metadata
import math
from pathlib import Path
from typing import Any

import keras_nlp
import tensorflow as tf

from mtdnn_tf.data.word_pieces import TokenRules, read_vocabulary
from mtdnn_tf.errors import UserError, one_line
from mtdnn_tf.json_files import read_json_object, write_json
from mtdnn_tf.modeling.backbone import BackboneConfig
from mtdnn_tf.modeling.bert_weights import assign_weights, encoder_weights, read_weights, variables_in_order
from mtdnn_tf.modeling.checkpoints.bert_files import SIZES, read_sizes
from mtdnn_tf.modeling.checkpoints.pretrained import PretrainedBackbone
from mtdnn_tf.modeling.checkpoints.tokenizer_files import check_ids, write_vocabulary

METADATA = "metadata.json"
# KerasNLP's BertBackbone takes no activation and computes GELU by tanh.
ACTIVATION = "gelu_approximate"
_CONFIG = "config.json"
_TOKENIZER = "tokenizer.json"
_VOCABULARY = "assets/tokenizer/vocabulary.txt"
_WEIGHTS = "model.weights.h5"
# Fields of KerasNLP's config by those of a backbone's config.
_SIZES = {**{name: name for name in SIZES}, "max_positions": "max_sequence_length"}


def preset_names() -> list[str]:
    """Returns the names of KerasNLP's BERT encoders."""
    return sorted(keras_nlp.models.BertBackbone.presets)


def read_preset(preset: str | Path) -> PretrainedBackbone:
    """Reads a preset, given a folder in KerasNLP's layout, or a name that KerasNLP knows and downloads once."""
    folder = Path(preset)
    try:
        if folder.is_dir():
            backbone, vocabulary, lowercase = _read_folder(folder)
        else:
            tokenizer = keras_nlp.models.BertTokenizer.from_preset(preset)
            backbone = keras_nlp.models.BertBackbone.from_preset(preset)
            vocabulary, lowercase = tuple(tokenizer.get_vocabulary()), bool(tokenizer.lowercase)
    except UserError:
        raise
    except Exception as error:  # The hub's client raises errors of its own for a missing network, file or licence.
        reason = f"{type(error).__name__}: {one_line(error, 300)}"
        raise UserError(f"KerasNLP preset {str(preset)!r} cannot be loaded: {reason}") from error
    sizes = {name: getattr(backbone, theirs) for name, theirs in _SIZES.items()}
    config = BackboneConfig(**sizes, activation=ACTIVATION)
    weights = read_weights(variables_in_order(config, backbone.weights))
    return PretrainedBackbone(str(preset), config, vocabulary, lowercase, weights)


def _read_folder(folder: Path) -> tuple[keras_nlp.models.BertBackbone, tuple[str, ...], bool]:
    """Returns encoder, vocabulary and casing of a preset folder, without Keras's reader of objects.

    That reader imports the module and makes an object of the class that a file names, whatever they are.
    """
    config = _arguments_of("BertBackbone", folder / _CONFIG)
    tokenizer = _arguments_of("BertTokenizer", folder / _TOKENIZER)
    shape = BackboneConfig(**read_sizes(config, _SIZES, folder / _CONFIG))
    lowercase = tokenizer.get("lowercase", False)
    if not isinstance(lowercase, bool):
        raise UserError(f"{folder / _TOKENIZER}: lowercase must be true or false, got {str(lowercase)[:60]}")
    vocabulary = tuple(read_vocabulary(folder / _VOCABULARY))
    check_ids(vocabulary, TokenRules(), shape.vocabulary_size, folder / _VOCABULARY, _CONFIG)
    weights = folder / _WEIGHTS
    # What float32 needs; a compressed file could be smaller, which neither KerasNLP nor this project writes.
    numbers = sum(math.prod(weight.shape) for weight in encoder_weights(shape))
    if not weights.is_file() or weights.stat().st_size < 2 * numbers:
        raise UserError(f"{weights}: missing, or smaller than the encoder that {_CONFIG} describes; cannot be loaded")
    backbone = keras_nlp.models.BertBackbone(**{theirs: config[theirs] for theirs in _SIZES.values()})
    backbone.load_weights(str(weights))
    return backbone, vocabulary, lowercase


def _arguments_of(kind: str, path: Path) -> dict[str, Any]:
    """Returns the arguments of the class that a file describes, refusing other classes."""
    values = read_json_object(path)
    if values.get("class_name") != kind or not isinstance(values.get("config"), dict):
        raise UserError(f"{path}: must be class_name {kind!r} with its config, got {str(values)[:60]}")
    return dict(values["config"])


def write_preset(pretrained: PretrainedBackbone, folder: Path) -> None:
    """Writes an encoder as a preset folder, which KerasNLP reads under Keras 2 and Keras 3.

    KerasNLP's own writer needs Keras 3, and what that writes cannot be read under Keras 2. The weights must be float32,
    the activation `ACTIVATION`.
    """
    missing = [token for token in ("[CLS]", "[SEP]", "[PAD]", "[MASK]", "[UNK]") if token not in pretrained.vocabulary]
    if missing:
        raise UserError(f"{pretrained.source}: KerasNLP's tokenizer needs {', '.join(missing)} in the vocabulary")
    if pretrained.rules != TokenRules():
        raise UserError(
            f"{pretrained.source}: KerasNLP's preset cannot express its tokenizer ({pretrained.rules.difference()}); "
            "--format=huggingface records it"
        )
    sizes = {theirs: getattr(pretrained.config, name) for name, theirs in _SIZES.items()}
    arguments = {"name": "bert_backbone", "trainable": True, **sizes, "dropout": 0.1}
    backbone = keras_nlp.models.BertBackbone(**arguments)
    variables = variables_in_order(pretrained.config, backbone.weights)
    assign_weights(variables, pretrained.weights)
    tokenizer = {
        "name": "bert_tokenizer",
        "trainable": True,
        "dtype": "int32",
        "vocabulary": None,
        "sequence_length": None,
        "lowercase": pretrained.lowercase,
        # As BERT does; KerasNLP's own presets do not, and take "café" for an unknown word.
        "strip_accents": pretrained.lowercase,
        "split": True,
        "suffix_indicator": "##",
        "oov_token": "[UNK]",
        "special_tokens_in_strings": False,
    }
    _write_described(folder / _CONFIG, "backbone", arguments)
    _write_described(folder / _TOKENIZER, "tokenizer", tokenizer)
    metadata = {
        "keras_version": importlib.metadata.version(tf.keras.Model.__module__.partition(".")[0]),
        "keras_nlp_version": keras_nlp.__version__,
        "parameter_count": backbone.count_params(),
    }
    write_json(folder / METADATA, metadata)
    write_vocabulary(folder / _VOCABULARY, pretrained.vocabulary)
    backbone.save_weights(str(folder / _WEIGHTS))


def _write_described(path: Path, part: str, config: dict[str, Any]) -> None:
    kind = f"Bert{part.capitalize()}"
    described = {
        "module": f"keras_nlp.src.models.bert.bert_{part}",
        "class_name": kind,
        "config": config,
        "registered_name": f"keras_nlp>{kind}",
    }
    write_json(path, described)
