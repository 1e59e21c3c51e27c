"""Flags of the whole recipe, beside those of its trainings."""

from __future__ import annotations

import dataclasses

from absl import flags

from flags import training, values
from mtdnn_tf.recipe import RecipeConfig

DROPOUTS = flags.DEFINE_list("dropouts", ["0.1", "0.2", "0.3"], "Encoder dropout of each teacher, by commas.")
TEACHER_TASKS = flags.DEFINE_list("teacher_tasks", [], "Tasks that get soft targets, by commas; all if empty.")
SINGLE_TASK = flags.DEFINE_bool("single_task", False, "Also trains single-task models, to compare with.")


def recipe_config() -> RecipeConfig:
    """Returns the recipe that the flags describe."""
    base = training.training_config()
    dropouts = tuple(values.numbers("dropouts", DROPOUTS.value) or ())
    for dropout in dropouts:
        dataclasses.replace(base, dropout=dropout)  # Refused now, not after the teachers before it are trained.
    return RecipeConfig(
        base=base,
        dropouts=dropouts,
        teacher_tasks=tuple(TEACHER_TASKS.value),
        single_task=SINGLE_TASK.value,
    )
