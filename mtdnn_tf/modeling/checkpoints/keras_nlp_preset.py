"""Reading a KerasNLP BERT preset, by name or from a folder, and writing the folder of one."""

from __future__ import annotations

import importlib.metadata
import math
from pathlib import Path
from typing import Any

import keras_nlp
import tensorflow as tf

from mtdnn_tf.data.word_pieces import read_vocabulary
from mtdnn_tf.errors import UserError
from mtdnn_tf.files import write_text
from mtdnn_tf.json_files import read_json_object, write_json
from mtdnn_tf.modeling.backbone import BackboneConfig
from mtdnn_tf.modeling.bert_weights import assign_weights, encoder_weights, read_weights, variables_in_order
from mtdnn_tf.modeling.checkpoints.bert_config import check_size
from mtdnn_tf.modeling.checkpoints.pretrained import PretrainedBackbone

METADATA = "metadata.json"
# KerasNLP's BertBackbone takes no activation and computes GELU by tanh.
ACTIVATION = "gelu_approximate"
_CLASSES = {"config.json": "BertBackbone", "tokenizer.json": "BertTokenizer"}
_SIZES = (
    "vocabulary_size",
    "num_layers",
    "num_heads",
    "hidden_dim",
    "intermediate_dim",
    "max_sequence_length",
    "num_segments",
)


def preset_names() -> list[str]:
    """Returns the names of KerasNLP's BERT encoders."""
    return sorted(keras_nlp.models.BertBackbone.presets)


def read_preset(preset: str) -> PretrainedBackbone:
    """Reads the encoder and the vocabulary of a preset.

    Args:
        preset: A name that KerasNLP knows (it downloads the files once), or a folder in KerasNLP's layout.

    Raises:
        UserError: The preset cannot be downloaded, or the folder lacks a file.
    """
    folder = Path(preset)
    try:
        if folder.is_dir():
            backbone, vocabulary, lowercase = _read_folder(folder)
        else:
            tokenizer = keras_nlp.models.BertTokenizer.from_preset(preset)
            backbone = keras_nlp.models.BertBackbone.from_preset(preset)
            vocabulary, lowercase = tokenizer.get_vocabulary(), bool(tokenizer.lowercase)
    except UserError:
        raise
    except Exception as error:  # The hub's client raises errors of its own for a missing network, file or licence.
        reason = " ".join(str(error).split())[:300]
        raise UserError(f"KerasNLP preset {preset!r} cannot be loaded: {type(error).__name__}: {reason}") from error
    config = BackboneConfig(
        vocabulary_size=backbone.vocabulary_size,
        num_layers=backbone.num_layers,
        num_heads=backbone.num_heads,
        hidden_dim=backbone.hidden_dim,
        intermediate_dim=backbone.intermediate_dim,
        max_positions=backbone.max_sequence_length,
        num_segments=backbone.num_segments,
        activation=ACTIVATION,
    )
    return PretrainedBackbone(
        preset, config, tuple(vocabulary), lowercase, read_weights(variables_in_order(config, backbone.weights))
    )


def _read_folder(folder: Path) -> tuple[keras_nlp.models.BertBackbone, list[str], bool]:
    """Returns encoder, vocabulary and casing of a preset folder, without Keras's reader of objects.

    That reader imports the module and makes an object of the class that a file names, whatever they are.
    """
    config, tokenizer = (_config_of(folder / name, of) for name, of in _CLASSES.items())
    for field in _SIZES:
        check_size(f"field {field}", config.get(field), field == "num_layers", folder / "config.json")
    if config["hidden_dim"] % config["num_heads"]:
        raise UserError(f"{folder / 'config.json'}: hidden_dim is not a multiple of num_heads")
    lowercase = tokenizer.get("lowercase", False)
    if not isinstance(lowercase, bool):
        raise UserError(f"{folder / 'tokenizer.json'}: lowercase takes true or false, {str(lowercase)[:60]} given")
    vocabulary = read_vocabulary(folder / "assets" / "tokenizer" / "vocabulary.txt")
    if len(vocabulary) > config["vocabulary_size"]:
        raise UserError(f"{folder}: {len(vocabulary)} word pieces, config.json has {config['vocabulary_size']}")
    weights = folder / "model.weights.h5"
    # What float32 needs; a compressed file could be smaller, which neither KerasNLP nor this project writes.
    shape = {name: config[name] for name in _SIZES if name != "max_sequence_length"}
    expected = BackboneConfig(**shape, max_positions=config["max_sequence_length"], activation=ACTIVATION)
    numbers = sum(math.prod(weight.shape) for weight in encoder_weights(expected))
    if not weights.is_file() or weights.stat().st_size < 2 * numbers:
        raise UserError(f"{weights}: cannot be loaded: missing, or smaller than an encoder as config.json tells it")
    backbone = keras_nlp.models.BertBackbone(**{field: config[field] for field in _SIZES})
    backbone.load_weights(str(weights))
    return backbone, vocabulary, lowercase


def _config_of(path: Path, of: str) -> dict[str, Any]:
    """Returns the arguments of the class that a file describes, if it is the one that is expected."""
    values = read_json_object(path)
    if values.get("class_name") != of or not isinstance(values.get("config"), dict):
        raise UserError(f"{path}: class_name {of!r} with its config is accepted, {str(values)[:60]} given")
    return dict(values["config"])


def write_preset(pretrained: PretrainedBackbone, folder: Path) -> None:
    """Writes an encoder as a preset folder, which KerasNLP reads under Keras 2 and Keras 3.

    KerasNLP's own writer needs Keras 3, and what that writes cannot be read under Keras 2.

    Args:
        pretrained: The encoder, with all weights as float32 and the activation `ACTIVATION`.
        folder: An empty folder.

    Raises:
        UserError: The vocabulary lacks a special token that KerasNLP's tokenizer asks for.
    """
    config = pretrained.config
    missing = [token for token in ("[CLS]", "[SEP]", "[PAD]", "[MASK]", "[UNK]") if token not in pretrained.vocabulary]
    if missing:
        raise UserError(f"{pretrained.source}: KerasNLP's tokenizer needs {', '.join(missing)} in the vocabulary")
    arguments = {
        "name": "bert_backbone",
        "trainable": True,
        "vocabulary_size": config.vocabulary_size,
        "num_layers": config.num_layers,
        "num_heads": config.num_heads,
        "hidden_dim": config.hidden_dim,
        "intermediate_dim": config.intermediate_dim,
        "dropout": 0.1,
        "max_sequence_length": config.max_positions,
        "num_segments": config.num_segments,
    }
    backbone = keras_nlp.models.BertBackbone(**arguments)
    assign_weights(variables_in_order(config, backbone.weights), pretrained.weights, pretrained.source)
    description = {
        "module": "keras_nlp.src.models.bert.bert_backbone",
        "class_name": "BertBackbone",
        "config": arguments,
        "registered_name": "keras_nlp>BertBackbone",
    }
    tokenizer = {
        "module": "keras_nlp.src.models.bert.bert_tokenizer",
        "class_name": "BertTokenizer",
        "config": {
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
        },
        "registered_name": "keras_nlp>BertTokenizer",
    }
    write_json(folder / "config.json", description)
    write_json(folder / "tokenizer.json", tokenizer)
    write_json(
        folder / METADATA,
        {
            "keras_version": importlib.metadata.version(tf.keras.Model.__module__.partition(".")[0]),
            "keras_nlp_version": keras_nlp.__version__,
            "parameter_count": backbone.count_params(),
        },
    )
    write_text(
        folder / "assets" / "tokenizer" / "vocabulary.txt", "".join(f"{piece}\n" for piece in pretrained.vocabulary)
    )
    backbone.save_weights(str(folder / "model.weights.h5"))
