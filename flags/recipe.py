"""Flags of the whole recipe, beside those of its trainings."""

from __future__ import annotations

import dataclasses

from absl import flags

from flags import training, values
from mtdnn_tf.recipe.config import RecipeConfig

DROPOUTS = flags.DEFINE_list("dropouts", ["0.1", "0.2", "0.3"], "Encoder dropouts of the grid of teachers, by commas.")
TEACHER_BACKBONES = flags.DEFINE_list(
    "teacher_backbones", [], "Encoders of the grid of teachers, by commas; --backbone if empty."
)
TOP_K = flags.DEFINE_integer("top_k", None, "Number of teachers that are kept; all if not given.", lower_bound=1)
SELECTION_TASKS = flags.DEFINE_list(
    "selection_tasks", [], "Tasks, by commas, whose development scores choose the teachers; all if empty."
)
TEACHER_TASKS = flags.DEFINE_list("teacher_tasks", [], "Tasks that get soft targets, by commas; all if empty.")
STUDENT_EPOCHS = flags.DEFINE_integer(
    "student_epochs",
    None,
    "Epochs of the student; --epochs if not given. With --transfer_splits its epochs have more rows.",
)
FINE_TUNE_TEACHERS = flags.DEFINE_bool(
    "fine_tune_teachers", False, "Fine-tunes each kept teacher on each teacher task before it teaches that."
)
FINE_TUNE_STUDENT = flags.DEFINE_bool("fine_tune_student", False, "Also fine-tunes the student on each task.")
FINE_TUNE_EPOCHS = flags.DEFINE_integer("fine_tune_epochs", None, "Epochs of a fine-tuning; --epochs if not given.")
FINE_TUNE_LEARNING_RATE = flags.DEFINE_float(
    "fine_tune_learning_rate", None, "Peak learning rate of a fine-tuning; --learning_rate if not given."
)
TEACHER_FOLDS = flags.DEFINE_integer(
    "teacher_folds",
    None,
    "Number of parts for out-of-fold soft targets: each is scored by models that were not trained on it. Trains as "
    "many more models a teacher.",
)
SINGLE_TASK = flags.DEFINE_bool("single_task", False, "Also trains single-task models, to compare with.")
SEEDS = flags.DEFINE_list(
    "seeds", [], "Seeds of the student and of what it is compared with, by commas; --seed if empty."
)


def recipe_config() -> RecipeConfig:
    """Returns the recipe that the flags describe."""
    base = training.training_config()
    dropouts = tuple(values.numbers("dropouts", DROPOUTS.value) or ())
    for dropout in dropouts:
        dataclasses.replace(base, dropout=dropout)  # Refused now, not after the teachers before it are trained.
    return RecipeConfig(
        base=base,
        dropouts=dropouts,
        teacher_backbones=tuple(TEACHER_BACKBONES.value),
        top_k=TOP_K.value,
        selection_tasks=tuple(SELECTION_TASKS.value),
        teacher_tasks=tuple(TEACHER_TASKS.value),
        student_epochs=STUDENT_EPOCHS.value,
        fine_tune_teachers=FINE_TUNE_TEACHERS.value,
        fine_tune_student=FINE_TUNE_STUDENT.value,
        fine_tune_epochs=FINE_TUNE_EPOCHS.value,
        fine_tune_learning_rate=FINE_TUNE_LEARNING_RATE.value,
        folds=TEACHER_FOLDS.value,
        single_task=SINGLE_TASK.value,
        seeds=tuple(values.whole_numbers("seeds", SEEDS.value)),
    )
