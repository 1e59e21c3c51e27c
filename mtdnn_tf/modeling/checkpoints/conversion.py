"""Writing an encoder in another ecosystem's layout, verified before it becomes visible."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Callable, Collection
from pathlib import Path
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from mtdnn_tf.errors import UserError, unknown_name
from mtdnn_tf.files import new_folder
from mtdnn_tf.modeling.backbone import POOLER
from mtdnn_tf.modeling.bert_weights import POOLER_WEIGHTS, assign_weights, check_weights, encoder_weights
from mtdnn_tf.modeling.checkpoints import google_bert, huggingface, keras_nlp_preset
from mtdnn_tf.modeling.checkpoints.pretrained import PretrainedBackbone
from mtdnn_tf.modeling.encoder import Encoder

_log = logging.getLogger("absl")


class _Format(NamedTuple):
    """A layout: how it is written and read back, which activations it knows, and whether it is for all families.

    One that is for all families records the pooling, too.
    """

    write: Callable[[PretrainedBackbone, Path], None]
    read: Callable[[Path], PretrainedBackbone]
    activations: Collection[str]
    is_general: bool = False


_FORMATS = {
    "huggingface": _Format(huggingface.write_folder, huggingface.read_folder, huggingface.ACTIVATIONS.values(), True),
    "keras_nlp": _Format(keras_nlp_preset.write_preset, keras_nlp_preset.read_preset, [keras_nlp_preset.ACTIVATION]),
    "google": _Format(google_bert.write_folder, google_bert.read_folder, google_bert.ACTIVATIONS.values()),
}
FORMATS = tuple(_FORMATS)


def _complete(pretrained: PretrainedBackbone) -> PretrainedBackbone:
    """Returns the encoder with only its own weights, as float32; of another pooling, with its pooler if it has one."""
    source = pretrained.source
    if not pretrained.weights:
        raise UserError(f"--from={source}: has random weights; an encoder with weights of its own is accepted")
    has_pooler = all(name in pretrained.weights for name in POOLER_WEIGHTS)
    written = dataclasses.replace(pretrained.config, pooling=POOLER) if has_pooler else pretrained.config
    check_weights(written, pretrained.weights, source)
    names = [weight.name for weight in encoder_weights(written)]
    weights = {name: np.ascontiguousarray(pretrained.weights[name], np.float32) for name in names}
    return dataclasses.replace(pretrained, weights=weights)


def output_difference(pretrained: PretrainedBackbone, activation: str) -> float:
    """Returns the largest change of any sequence output with another activation.

    It is the maximum over 8 sequences of 32 random word pieces, from a fixed seed.
    """
    config = pretrained.config
    shape = (8, min(32, config.max_positions))
    token_ids = np.random.default_rng(0).integers(0, len(pretrained.vocabulary), shape)
    inputs = {
        "token_ids": tf.constant(token_ids, tf.int32),
        "segment_ids": tf.zeros(shape, tf.int32),
        "padding_mask": tf.ones(shape, tf.int32),
    }
    outputs = []
    for name in (config.activation, activation):
        backbone = Encoder(dataclasses.replace(config, activation=name))
        assign_weights(backbone, pretrained.weights)
        outputs.append(backbone(inputs, training=False)["sequence_output"].numpy())
    return float(np.abs(outputs[0] - outputs[1]).max())


def _check_architecture(pretrained: PretrainedBackbone, to: str) -> None:
    """Refuses a layout that has only BERT for an encoder of another family."""
    config = pretrained.config
    if not (config.is_bert or _FORMATS[to].is_general):
        raise UserError(
            f"--format={to} must have BERT's architecture, {pretrained.source} is of model_type {config.model_type} "
            f"with layer_norm_eps {config.norm_epsilon:g}; --format=huggingface records it"
        )


def _expressible(pretrained: PretrainedBackbone, to: str, accept_approximate_gelu: bool) -> PretrainedBackbone:
    """Returns the encoder with an activation that the layout can express."""
    activations, activation = {*_FORMATS[to].activations}, pretrained.config.activation
    if activation in activations:
        return pretrained
    if activation != "gelu":
        raise UserError(
            f"--format={to}: the activation must be {' or '.join(sorted(activations))}, {pretrained.source} has "
            f"{activation}; --format=huggingface records it"
        )
    approximation = "gelu_approximate"
    change = f"outputs change by up to {output_difference(pretrained, approximation):.1e}"
    if not accept_approximate_gelu:
        raise UserError(
            f"--format={to}: computes only the tanh approximation of GELU, {pretrained.source} has exact GELU: "
            f"{change}; pass --accept_approximate_gelu to write it so, or --format=huggingface, which has exact GELU"
        )
    _log.warning("%s: exact GELU becomes its tanh approximation, %s", pretrained.source, change)
    return dataclasses.replace(pretrained, config=dataclasses.replace(pretrained.config, activation=approximation))


def _with_recorded_pooling(pretrained: PretrainedBackbone, to: str) -> PretrainedBackbone:
    """Returns the encoder with the pooling that the layout's reader will find."""
    pooling = pretrained.config.pooling
    if _FORMATS[to].is_general or pooling == POOLER:
        return pretrained
    if POOLER_WEIGHTS[0] not in pretrained.weights:
        raise UserError(
            f"--format={to} must have BERT's pooler, {pretrained.source} has none (its pooling is {pooling}); "
            "--format=huggingface records the pooling"
        )
    _log.warning("%s: a %s folder does not record pooling; pass --pooling=%s with it", pretrained.source, to, pooling)
    return dataclasses.replace(pretrained, config=dataclasses.replace(pretrained.config, pooling=POOLER))


def _verify(written: PretrainedBackbone, pretrained: PretrainedBackbone, folder: Path) -> None:
    """Compares what was read back with what was to be written."""
    fields = ("config", "vocabulary", "lowercase", "rules")
    differing = [field for field in fields if getattr(written, field) != getattr(pretrained, field)]
    weights = pretrained.weights.items()
    differing += [name for name, array in weights if np.asarray(written.weights[name]).tobytes() != array.tobytes()]
    if differing:
        raise UserError(f"{folder}: {', '.join(differing[:3])} read back differently from what was written")


def check_target(folder: Path) -> None:
    """Refuses to write where something exists."""
    if folder.exists() or folder.is_symlink():
        raise UserError(f"--to={folder}: exists; must be a new folder")


def convert(pretrained: PretrainedBackbone, folder: Path, to: str, accept_approximate_gelu: bool = False) -> None:
    """Writes an encoder to a new folder in one of `FORMATS`, which is read back and compared before it becomes visible.

    With `accept_approximate_gelu`, exact GELU becomes its tanh approximation where the layout knows no other.

    Raises:
        UserError: `folder` exists, or the layout cannot express what the encoder computes.
    """
    if to not in _FORMATS:
        raise unknown_name("--format", to, FORMATS)
    check_target(folder)
    _check_architecture(pretrained, to)
    pretrained = _with_recorded_pooling(_complete(pretrained), to)
    pretrained = _expressible(pretrained, to, accept_approximate_gelu)
    with new_folder(folder) as temporary:
        _FORMATS[to].write(pretrained, temporary)
        _verify(_FORMATS[to].read(temporary), pretrained, folder)
