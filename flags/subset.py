"""Flags of the part of the training data that is taken."""

from __future__ import annotations

from absl import flags

from mtdnn_tf.data.subset import Part

MAX_TRAIN_EXAMPLES = flags.DEFINE_integer("max_train_examples", None, "Most training examples a task.")
TRAIN_FRACTION = flags.DEFINE_float("train_fraction", None, "Share of its training examples that a task takes.")
SUBSET_SEED = flags.DEFINE_integer(
    "subset_seed", 0, "Chooses the examples of --max_train_examples and --train_fraction; smaller parts are in larger."
)


def train_part() -> Part:
    """Returns the part that the flags give."""
    return Part(MAX_TRAIN_EXAMPLES.value, TRAIN_FRACTION.value, SUBSET_SEED.value)
