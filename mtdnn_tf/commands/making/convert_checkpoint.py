"""Converts an encoder, pre-trained or of a run, to the layout of Hugging Face, KerasNLP or Google."""

from __future__ import annotations

from absl import flags, logging

from mtdnn_tf.commands.program import Command
from mtdnn_tf.flags.paths import define_path
from mtdnn_tf.modeling.checkpoints.backbones import find_backbone
from mtdnn_tf.modeling.checkpoints.conversion import FORMATS, check_target, convert

_FROM = define_path(
    "from", "The encoder: a run, a Hugging Face, Google BERT or KerasNLP folder, a preset's name, or 'demo'."
)
_TO = define_path("to", "Folder to write; must not exist.")
_FORMAT = flags.DEFINE_enum("format", None, FORMATS, "Layout of the folder.")
_ACCEPT_APPROXIMATE_GELU = flags.DEFINE_bool(
    "accept_approximate_gelu",
    False,
    "Write an encoder with exact GELU in a layout that supports only the tanh approximation; this changes outputs.",
)


def main() -> None:
    folder = _TO.value
    check_target(folder)
    pretrained = find_backbone(str(_FROM.value))
    convert(pretrained, folder, _FORMAT.value, _ACCEPT_APPROXIMATE_GELU.value)
    case = "uncased" if pretrained.lowercase else "cased"
    shape = f"{pretrained.config.num_layers} layers of width {pretrained.config.hidden_dim}"
    pieces = f"{len(pretrained.vocabulary)} word pieces"
    logging.info("%s: %s folder written: %s, %s, %s", folder, _FORMAT.value, shape, pieces, case)


COMMAND = Command(main, required=("from", "to", "format"))
