"""The names of the stages that train, and the folders of their runs.

A kept teacher goes by its place: 1 for the best.
"""

from __future__ import annotations

import re
from pathlib import Path

from mtdnn_tf.recipe.config import RecipeConfig
from mtdnn_tf.recipe.selection import kept_teachers
from mtdnn_tf.tasks.task import Task


def seed_stage(role: str, seed: int, task: Task | None = None) -> str:
    """Returns the stage of a role's model of a seed: of one task, or of all."""
    return "/".join([re.sub("[ -]", "_", role), *([task.name] if task else []), f"seed_{seed}"])


def teacher_stage(number: int) -> str:
    """Returns the stage of a teacher of the grid, counted from 1."""
    return f"teachers/{number}"


def tuned_teacher_stage(task: Task, place: int) -> str:
    """Returns the stage of a kept teacher's fine-tuning on a task."""
    return f"fine_tuned_teachers/{task.name}/{place}"


def fold_stage(place: int, fold: int, task: Task | None = None) -> str:
    """Returns the stage that is as a kept teacher's, or its fine-tuning's, but does not train on a fold."""
    return f"fine_tuned_folds/{task.name}/{place}/without_{fold}" if task else f"folds/{place}/without_{fold}"


def places(config: RecipeConfig) -> range:
    """Returns the places of the kept teachers."""
    return range(1, config.kept + 1)


def ensemble(config: RecipeConfig, task: Task) -> list[Path]:
    """Returns the runs that together answer a task: those fine-tuned on it, if the recipe does that."""
    if config.fine_tune_teachers and task.head_task in [taught.name for taught in config.taught_tasks()]:
        return [config.stage_folder(tuned_teacher_stage(task, place)) for place in places(config)]
    return [config.stage_folder(teacher_stage(number)) for number in kept_teachers(config)]


def scorers(config: RecipeConfig, task: Task) -> list[Path]:
    """Returns the runs that make a task's soft targets."""
    if config.folds is None:
        return ensemble(config, task)
    tuned_on = task if config.fine_tune_teachers else None
    return [
        config.stage_folder(fold_stage(place, fold, tuned_on))
        for place in places(config)
        for fold in range(config.folds)
    ]
