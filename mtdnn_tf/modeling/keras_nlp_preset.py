"""Reading a KerasNLP BERT preset, by name or from a folder."""

from __future__ import annotations

import keras_nlp

from mtdnn_tf.errors import UserError
from mtdnn_tf.modeling.backbone import BackboneConfig
from mtdnn_tf.modeling.bert_weights import read_weights
from mtdnn_tf.modeling.pretrained import PretrainedBackbone


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
        activation="gelu_approximate",
    )
    return PretrainedBackbone(
        preset, config, tuple(tokenizer.get_vocabulary()), bool(tokenizer.lowercase), read_weights(backbone)
    )
