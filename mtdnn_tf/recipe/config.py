"""What the recipe is told."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from mtdnn_tf.errors import UserError
from mtdnn_tf.modeling.backbones import find_backbone
from mtdnn_tf.modeling.layer_selection import picked_layers
from mtdnn_tf.tasks.task import Task
from mtdnn_tf.training.config import TrainingConfig
from mtdnn_tf.training.transfer import check_settings


@dataclasses.dataclass(frozen=True)
class RecipeConfig:
    """What the recipe is told.

    Attributes:
        base: What all trainings share; its `output_dir` is the recipe's folder, its `student_layers` those of the
            student and of the multi-task model that it is compared with.
        dropouts: Encoder dropouts of the grid of teachers.
        teacher_backbones: Encoders of the grid; empty for the base's. Teacher number i of 1, 2, ..., all dropouts of
            the first encoder first, has the seed `base.seed` + i.
        top_k: Number of teachers that are kept; None for all.
        selection_tasks: Tasks whose development scores choose them; empty for all.
        teacher_tasks: Tasks that get soft targets; empty for all. The others learn from gold labels alone.
        student_epochs: Epochs of the student; None for the base's. With `base.transfer_splits` an epoch has more rows
            than those of models that learn from gold labels only, so that fewer of them make as many steps.
        fine_tune_teachers: Whether each kept teacher is fine-tuned on each teacher task before it teaches that.
        fine_tune_student: Whether the student is fine-tuned on each task, as one more row of the table.
        fine_tune_epochs: Epochs of a fine-tuning; None for the base's.
        fine_tune_learning_rate: Peak learning rate of a fine-tuning; None for the base's.
        folds: Number of parts for out-of-fold soft targets: each part of the training rows is scored by models that
            were not trained on it; None for soft targets of the teachers themselves.
        single_task: Whether single-task models are trained too, to compare with.
        seeds: Seeds of the student and of what it is compared with; empty for the base's.
    """

    base: TrainingConfig
    dropouts: tuple[float, ...] = (0.1, 0.2, 0.3)
    teacher_backbones: tuple[str, ...] = ()
    top_k: int | None = None
    selection_tasks: tuple[str, ...] = ()
    teacher_tasks: tuple[str, ...] = ()
    student_epochs: int | None = None
    fine_tune_teachers: bool = False
    fine_tune_student: bool = False
    fine_tune_epochs: int | None = None
    fine_tune_learning_rate: float | None = None
    folds: int | None = None
    single_task: bool = False
    seeds: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        if not self.dropouts:
            raise UserError("--dropouts takes one number a teacher, none given")
        if self.base.soft_targets:
            raise UserError("--soft_targets is made by the recipe and not taken by it")
        if self.base.folds is not None:
            raise UserError(
                "--folds and --held_out_fold are made by the recipe; --teacher_folds says how many there are"
            )
        if self.base.evaluation == "never":
            raise UserError("--evaluation=never leaves the recipe nothing to compare; every_epoch and end are accepted")
        if self.top_k is not None and not 1 <= self.top_k <= self.grid_size:
            raise UserError(f"--top_k takes a number from 1 to {self.grid_size}, the teachers, {self.top_k} given")
        if self.folds is not None and self.folds < 2:
            raise UserError(f"--teacher_folds takes a number from 2, {self.folds} given")
        if len(set(self.seeds)) < len(self.seeds):
            raise UserError(f"--seeds takes different numbers, {','.join(map(str, self.seeds))} given")
        for seed in self.all_seeds:
            dataclasses.replace(self.base, seed=seed)  # Refuses what is no seed.
        _ = self.fine_tuning, self.student

    @property
    def grid(self) -> list[tuple[str, float]]:
        """Encoder and dropout of each teacher."""
        return [
            (backbone, dropout)
            for backbone in self.teacher_backbones or (self.base.backbone,)
            for dropout in self.dropouts
        ]

    @property
    def grid_size(self) -> int:
        """Number of teachers that are trained."""
        return len(self.dropouts) * max(1, len(self.teacher_backbones))

    @property
    def kept(self) -> int:
        """Number of teachers that are kept."""
        return self.top_k or self.grid_size

    @property
    def all_seeds(self) -> tuple[int, ...]:
        """Seeds of the student and of what it is compared with."""
        return self.seeds or (self.base.seed,)

    @property
    def gold_only(self) -> TrainingConfig:
        """The base without what only a student has a use for."""
        return dataclasses.replace(self.base, transfer_splits=(), distill_variance_weighting=False)

    @property
    def fine_tuning(self) -> TrainingConfig:
        """The base of a fine-tuning: one task, gold labels alone, an encoder that is as it is."""
        return dataclasses.replace(
            self.gold_only,
            student_layers=None,
            task_weights=(),
            epochs=self.base.epochs if self.fine_tune_epochs is None else self.fine_tune_epochs,
            learning_rate=(
                self.base.learning_rate if self.fine_tune_learning_rate is None else self.fine_tune_learning_rate
            ),
        )

    @property
    def student(self) -> TrainingConfig:
        """The base of the student's training."""
        return self.base if self.student_epochs is None else dataclasses.replace(self.base, epochs=self.student_epochs)

    def stage_folder(self, name: str) -> Path:
        """Returns the folder of a stage."""
        return self.base.output_dir / name

    def tasks(self) -> list[Task]:
        """Returns all tasks."""
        return self.base.selected_tasks()

    def trained_tasks(self) -> list[Task]:
        """Returns the tasks that have a head of their own."""
        return [task for task in self.tasks() if task.head_of is None]

    def taught_tasks(self) -> list[Task]:
        """Returns the tasks that get soft targets."""
        return [task for task in self.trained_tasks() if task.name in self.teacher_tasks or not self.teacher_tasks]


def check_recipe(config: RecipeConfig) -> None:
    """Refuses, before the first training, what would end the recipe after hours.

    Raises:
        UserError: A task is named that is not trained, or settings do not fit each other or the encoder.
    """
    names = [task.name for task in config.trained_tasks()]
    for flag in ("teacher_tasks", "selection_tasks"):
        unknown = set(getattr(config, flag)) - set(names)
        if unknown:
            raise UserError(f"--{flag}: {', '.join(sorted(unknown))} is not among --tasks")
    if config.base.student_layers is not None:
        initial = find_backbone(config.base.init_from or config.base.backbone)
        picked_layers(config.base.student_layers, initial.config.num_layers, initial.source)
    check_settings(config.base, config.trained_tasks(), [task.name for task in config.taught_tasks()])
