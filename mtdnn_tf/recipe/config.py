"""Configuration of a recipe."""

from __future__ import annotations

import dataclasses
import itertools
from pathlib import Path

from mtdnn_tf.errors import UserError
from mtdnn_tf.modeling.checkpoints.backbones import find_backbone
from mtdnn_tf.modeling.narrowing import check_student
from mtdnn_tf.options import Options, option, shown
from mtdnn_tf.tasks.task import Task
from mtdnn_tf.training.best_epoch import ALL
from mtdnn_tf.training.config import TrainingConfig
from mtdnn_tf.training.inputs.task_inputs import check_settings

# Of the models that are no students.
WHOLE_ENCODER: dict[str, None] = {"student_layers": None, "student_dim": None}


@dataclasses.dataclass(frozen=True)
class RecipeConfig(Options):
    """Configuration of a recipe.

    Attributes:
        base: What all trainings share. Its `output_dir` is the recipe's folder; its `student_layers` and `student_dim`
            are those of the student and of the multi-task model that it is compared with. Teacher number i of 1, 2,
            ..., all dropouts of the first encoder first, has its `seed` + i.
    """

    base: TrainingConfig
    dropouts: tuple[float, ...] = option(
        (0.1, 0.2, 0.3), "Comma-separated encoder dropouts of the grid of teachers.", at_least=0, below=1
    )
    teacher_backbones: tuple[str, ...] = option(
        (), "Comma-separated encoders of the grid of teachers.", unset="`--backbone`"
    )
    top_k: int | None = option(None, "Number of teachers that are kept.", unset="all", at_least=1)
    selection_tasks: tuple[str, ...] = option(
        (), "Comma-separated tasks whose development scores choose the teachers.", unset="all"
    )
    teacher_tasks: tuple[str, ...] = option(
        (), "Comma-separated tasks that get soft targets; the others learn only from gold labels.", unset="all"
    )
    student_epochs: int | None = option(
        None,
        "Number of epochs of the student, which have more rows with `--transfer_splits`.",
        unset="`--epochs`",
        at_least=1,
    )
    fine_tune_teachers: bool = option(
        False, "Fine-tune each kept teacher on each teacher task before it teaches that task."
    )
    fine_tune_student: bool = option(False, "Also fine-tune the student and the multi-task baseline on each task.")
    fine_tune_epochs: int | None = option(None, "Number of epochs of a fine-tuning.", unset="`--epochs`", at_least=1)
    fine_tune_learning_rate: float | None = option(
        None, "Peak learning rate of a fine-tuning.", unset="`--learning_rate`", above=0, below=1
    )
    folds: int | None = option(
        None,
        "Number of folds for out-of-fold soft targets: each fold is scored by models that were not trained on it. "
        "Trains that many more models per teacher.",
        name="teacher_folds",
        at_least=2,
    )
    single_task: bool = option(False, "Also train single-task models, for comparison.")
    seeds: tuple[int, ...] = option(
        (),
        "Comma-separated seeds of the student and of the models it is compared with.",
        unset="`--seed`",
        at_least=0,
        at_most=2**32 - 1,
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.dropouts:
            raise UserError("`dropouts` must be one number per teacher, got none")
        if self.base.distillation.soft_targets:
            raise UserError("`soft_targets` must not be given: the recipe makes them")
        if self.base.folds.fold is not None:
            raise UserError(
                "`folds` and `held_out_fold` must not be given: `teacher_folds` is the recipe's number of folds"
            )
        if self.base.checkpoints.evaluation == "never":
            raise UserError("`evaluation` must be every_epoch or end, so that the recipe can compare models, got never")
        if self.base.checkpoints.keep_best_by not in ((), (ALL,)):
            raise UserError(
                f"`keep_best_by` must be {ALL} in a recipe, got {shown(self.base.checkpoints.keep_best_by)}"
            )
        if self.top_k is not None and self.top_k > len(self.grid):
            raise UserError(f"`top_k` must be <= {len(self.grid)}, the number of teachers, got {self.top_k}")
        if len(set(self.seeds)) < len(self.seeds):
            raise UserError(f"`seeds` must be different numbers, got {shown(self.seeds)}")

    @property
    def grid(self) -> list[tuple[str, float]]:
        """Encoder and dropout of each teacher."""
        return list(itertools.product(self.teacher_backbones or (self.base.encoder.backbone,), self.dropouts))

    @property
    def kept(self) -> int:
        """Number of teachers that are kept."""
        return self.top_k or len(self.grid)

    @property
    def all_seeds(self) -> tuple[int, ...]:
        """Seeds of the student and of what it is compared with."""
        return self.seeds or (self.base.optimization.seed,)

    @property
    def gold_only(self) -> TrainingConfig:
        """The base without what only a student uses."""
        return self.base.replace(transfer_splits=(), distill_variance_weighting=False)

    @property
    def fine_tuning(self) -> TrainingConfig:
        """The base of a fine-tuning: one task, only gold labels, the whole encoder that it begins with."""
        steps = self.base.optimization
        return self.gold_only.replace(
            **WHOLE_ENCODER,
            task_weights=(),
            epochs=self.fine_tune_epochs or steps.epochs,
            learning_rate=self.fine_tune_learning_rate or steps.learning_rate,
        )

    def stage_folder(self, name: str) -> Path:
        """Returns the folder of a stage."""
        return self.base.output_dir / name

    def trained_tasks(self) -> list[Task]:
        """Returns the tasks that have a head of their own."""
        return [task for task in self.base.data.selected_tasks() if task.head_of is None]

    def taught_tasks(self) -> list[Task]:
        """Returns the tasks that get soft targets."""
        return [task for task in self.trained_tasks() if task.name in self.teacher_tasks or not self.teacher_tasks]


def check_recipe(config: RecipeConfig) -> None:
    """Refuses, before the first training, settings that would end the recipe after hours."""
    names = [task.name for task in config.trained_tasks()]
    for flag in ("teacher_tasks", "selection_tasks"):
        unknown = set(getattr(config, flag)) - set(names)
        if unknown:
            raise UserError(f"`{flag}`: {', '.join(sorted(unknown))} is not among `tasks`")
    developed = {task.name for task in config.trained_tasks() if task.evaluation_splits}
    if not developed:
        raise UserError(f"a recipe compares models on development splits, and {', '.join(names)} has none")
    chosen_by, teachers = config.selection_tasks or names, len(config.grid)
    if config.kept < teachers and developed.isdisjoint(chosen_by):
        raise UserError(
            f"`top_k={config.kept}` of {teachers} teachers needs `selection_tasks` with a development split, got "
            f"{', '.join(chosen_by)}"
        )
    encoder = config.base.encoder
    if encoder.student_layers is not None or encoder.student_dim is not None:
        check_student(find_backbone(encoder.initial), encoder.student_layers, encoder.student_dim)
    check_settings(config.base, config.trained_tasks(), [task.name for task in config.taught_tasks()])
