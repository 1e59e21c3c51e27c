"""Flags of how an ensemble's predictions are averaged."""

from __future__ import annotations

from absl import flags

from mtdnn_tf.distillation.ensemble import AVERAGES, PROBABILITIES


def define_weights(member: str) -> flags.FlagHolder[list[str]]:
    """Defines `--weights`, of members that are called `member`."""
    return flags.DEFINE_list("weights", [], f"Comma-separated weights, one per {member}; default: equal weights.")


def define_average() -> flags.FlagHolder[str]:
    """Defines `--average`."""
    return flags.DEFINE_enum(
        "average", PROBABILITIES, AVERAGES, "Average probabilities or logits (scores for regression)."
    )
