"""Reading a KerasNLP BERT preset, by name or from a folder, and writing the folder of one."""

from __future__ import annotations

import importlib.metadata
from pathlib import Path

import keras_nlp
import tensorflow as tf

from mtdnn_tf.errors import UserError
from mtdnn_tf.files import write_json, write_text
from mtdnn_tf.modeling.backbone import BackboneConfig
from mtdnn_tf.modeling.bert_weights import assign_weights, read_weights
from mtdnn_tf.modeling.pretrained import PretrainedBackbone

METADATA = "metadata.json"
# KerasNLP's BertBackbone takes no activation and computes GELU by tanh.
ACTIVATION = "gelu_approximate"


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
    try:
        tokenizer = keras_nlp.models.BertTokenizer.from_preset(preset)
        backbone = keras_nlp.models.BertBackbone.from_preset(preset)
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
        preset, config, tuple(tokenizer.get_vocabulary()), bool(tokenizer.lowercase), read_weights(backbone)
    )


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
    assign_weights(backbone, pretrained.weights, pretrained.source)
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
