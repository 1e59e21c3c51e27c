"""Flags of soft targets and the distilled loss."""

from __future__ import annotations

from absl import flags

from mtdnn_tf.distillation.losses import DEFAULT_WEIGHTS, DISTILL_LOSSES, SCHEDULES

SOFT_TARGETS = flags.DEFINE_list(
    "soft_targets", [], "Folders that tools.score wrote, by commas. Makes the run a student."
)
TRANSFER_SPLITS = flags.DEFINE_list(
    "transfer_splits",
    [],
    "Splits, by commas, that are trained on too where a task has soft targets of them; their gold labels are not used.",
)
DISTILL_WEIGHT = flags.DEFINE_float(
    "distill_weight",
    None,
    "Weight of the distilled loss, from 0 to 1; 0.5 if not given, with --distill_schedule=linear 1.",
)
TEMPERATURE = flags.DEFINE_float("temperature", 1.0, "Temperature of the soft targets.")
DISTILL_LOSS = flags.DEFINE_enum(
    "distill_loss", "cross_entropy", sorted(DISTILL_LOSSES), "Distilled loss of classification and ranking."
)
DISTILL_SCHEDULE = flags.DEFINE_enum(
    "distill_schedule",
    "constant",
    sorted(SCHEDULES),
    "Weight of the distilled loss: --distill_weight throughout, or linear from it to 0 (teacher annealing).",
)
DISTILL_VARIANCE_WEIGHTING = flags.DEFINE_bool(
    "distill_variance_weighting",
    False,
    "Multiplies the distilled loss of regression by 1 / (1 + variance / mean variance) of the teachers' scores.",
)


def distill_weight() -> float:
    """Returns the weight of --distill_weight, or the schedule's own."""
    return DEFAULT_WEIGHTS[DISTILL_SCHEDULE.value] if DISTILL_WEIGHT.value is None else DISTILL_WEIGHT.value
