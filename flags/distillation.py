"""Flags of soft targets and the distilled loss."""

from __future__ import annotations

from absl import flags

from mtdnn_tf.distillation.losses import DISTILL_LOSSES, SCHEDULES

SOFT_TARGETS = flags.DEFINE_list(
    "soft_targets", [], "Folders that tools.score wrote, by commas. Makes the run a student."
)
DISTILL_WEIGHT = flags.DEFINE_float("distill_weight", 0.5, "Weight of the distilled loss, from 0 to 1.")
TEMPERATURE = flags.DEFINE_float("temperature", 1.0, "Temperature of the soft targets.")
DISTILL_LOSS = flags.DEFINE_enum(
    "distill_loss", "cross_entropy", sorted(DISTILL_LOSSES), "Distilled loss of classification."
)
DISTILL_SCHEDULE = flags.DEFINE_enum(
    "distill_schedule",
    "constant",
    sorted(SCHEDULES),
    "Weight of the distilled loss: --distill_weight throughout, or linear from 1 to 0 (teacher annealing).",
)
