"""The names of the stages that train, and the folders of their runs."""

from __future__ import annotations

from pathlib import Path

from mtdnn_tf.recipe.config import RecipeConfig
from mtdnn_tf.recipe.selection import kept_teachers
from mtdnn_tf.tasks.task import Task


class RunNames:
    """Names of stages that train, and folders of their runs.

    A kept teacher goes by its place: 1 for the best.

    Args:
        config: The recipe.
    """

    def __init__(self, config: RecipeConfig) -> None:
        self._config = config
        self._taught = [task.name for task in config.taught_tasks()]

    def folder(self, name: str) -> Path:
        """Returns the run folder of a stage."""
        return self._config.stage_folder(name)

    def single_task(self, task: Task, seed: int) -> str:
        """Returns the stage of one task alone."""
        return f"single_task/{task.name}/seed_{seed}"

    def teacher(self, number: int) -> str:
        """Returns the stage of a teacher of the grid, counted from 1."""
        return f"teachers/{number}"

    def multi_task(self, seed: int) -> str:
        """Returns the stage of all tasks without soft targets."""
        return f"multi_task/seed_{seed}"

    def student(self, seed: int) -> str:
        """Returns the stage of the student."""
        return f"student/seed_{seed}"

    def fine_tuned(self, model: str, task: Task, seed: int) -> str:
        """Returns the stage of the fine-tuning on a task of a "student" or a "multi_task" model."""
        return f"fine_tuned_{model}/{task.name}/seed_{seed}"

    def fine_tuned_teacher(self, task: Task, place: int) -> str:
        """Returns the stage of a kept teacher's fine-tuning on a task."""
        return f"fine_tuned_teachers/{task.name}/{place}"

    def fold(self, place: int, fold: int) -> str:
        """Returns the stage that is as a kept teacher's, but for the fold of the rows that it is not trained on."""
        return f"folds/{place}/without_{fold}"

    def fine_tuned_fold(self, task: Task, place: int, fold: int) -> str:
        """Returns the stage of the fine-tuning of such a run."""
        return f"fine_tuned_folds/{task.name}/{place}/without_{fold}"

    def kept_number(self, place: int) -> int:
        """Returns the number in the grid of a kept teacher."""
        return kept_teachers(self._config)[place - 1]

    def ensemble(self, task: Task) -> list[Path]:
        """Returns the runs that together answer a task: those fine-tuned on it, if the recipe does that."""
        if self._config.fine_tune_teachers and task.head_task in self._taught:
            return [self.folder(self.fine_tuned_teacher(task, place)) for place in self.places]
        return [self.folder(self.teacher(self.kept_number(place))) for place in self.places]

    def scorers(self, task: Task) -> list[Path]:
        """Returns the runs that make a task's soft targets."""
        if self._config.folds is None:
            return self.ensemble(task)
        names = [
            self.fine_tuned_fold(task, place, fold) if self._config.fine_tune_teachers else self.fold(place, fold)
            for place in self.places
            for fold in range(self._config.folds)
        ]
        return [self.folder(name) for name in names]

    @property
    def places(self) -> range:
        """Places of the kept teachers, from 1."""
        return range(1, self._config.kept + 1)
