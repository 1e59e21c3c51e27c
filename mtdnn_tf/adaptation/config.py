"""Configuration of an adaptation."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping

from mtdnn_tf.errors import UserError
from mtdnn_tf.modeling.checkpoints.backbones import find_backbone
from mtdnn_tf.modeling.narrowing import check_student
from mtdnn_tf.options import Options, option, shown
from mtdnn_tf.tasks.task import Task
from mtdnn_tf.training.config import TrainingConfig

PLAIN = "plain BERT"
PLAIN_FOLDER = "plain_bert"  # No start may have this name.
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


@dataclasses.dataclass(frozen=True)
class AdaptationConfig(Options):
    """Configuration of an adaptation.

    Attributes:
        base: What all trainings share, and the one task. Its `output_dir` is the adaptation's folder, its `backbone`
            the plain encoder, its `epochs` the minimum number of epochs. A training's seed is its `seed` plus the
            subset's, the same for every start, so that the spread is over initial heads and batches too.
        starts: Runs whose encoders are adapted, by the name that tables give them.
    """

    base: TrainingConfig
    starts: Mapping[str, str]
    fractions: tuple[float, ...] = option(
        (0.001, 0.01, 0.1, 1.0), "Comma-separated fractions of the training examples.", above=0, at_most=1
    )
    subset_seeds: tuple[int, ...] = option(
        (0, 1, 2, 3, 4),
        "Comma-separated seeds that each choose one subset per fraction, the smaller within the larger ones.",
        at_least=0,
        at_most=2**32 - 1,
    )
    min_steps: int = option(
        100, "Minimum number of steps of a training: small subsets get more than `--epochs` epochs.", at_least=1
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.starts:
            raise UserError("`starts` must name one or more runs, got none")
        for name in self.starts:
            if not _NAME.fullmatch(name) or name == PLAIN_FOLDER:
                raise UserError(
                    "the name of a start must be letters, digits, '.', '_' and '-', begin with one of the first two, "
                    f"and not be {PLAIN_FOLDER}, got {name!r}; `starts=NAME:RUN` gives a run another name"
                )
        for name in ("fractions", "subset_seeds"):
            numbers = getattr(self, name)
            if not numbers or len(set(numbers)) < len(numbers):
                raise UserError(f"`{name}` must be one or more different numbers, got {shown(numbers)}")
        # Options that the adaptation sets itself, or does not use.
        fraction = "; `fractions` says how many examples are trained on"
        for name, instead in (
            ("train_fraction", fraction),
            ("max_train_examples", fraction),
            ("subset_seed", "; `subset_seeds` chooses the subsets"),
            ("init_from", ""),
            ("soft_targets", ""),
            ("transfer_splits", ""),
            ("keep_best_by", "; it compares models of the last step"),
        ):
            if self.base.values()[name]:
                raise UserError(f"`{name}` is not accepted by an adaptation{instead}")
        if self.base.checkpoints.evaluation == "never":
            raise UserError("`evaluation` must be every_epoch or end, so that an adaptation can compare, got never")
        if not self.task.evaluation_splits:
            raise UserError(f"task {self.task.name} must have a development split, on which an adaptation compares")
        for seed in self.subset_seeds:  # Refuses what is no seed.
            self.base.replace(seed=self.base.optimization.seed + seed)

    @property
    def task(self) -> Task:
        """The task that the encoders are adapted to."""
        tasks = self.base.data.selected_tasks()
        if len(tasks) != 1:
            raise UserError(f"`tasks` must be one task, got {len(tasks)}: {', '.join(task.name for task in tasks)}")
        if tasks[0].head_of is not None:
            raise UserError(f"`tasks` must be a task that is trained, got {tasks[0].name}, answered by another's head")
        return tasks[0]

    @property
    def all_starts(self) -> dict[str, str | None]:
        """Runs by the name of their start; the first is the plain encoder, None."""
        return {PLAIN: None, **self.starts}


def check_starts(config: AdaptationConfig) -> None:
    """Raises UserError for an encoder that is missing, or too shallow or short for the settings."""
    for run in config.all_starts.values():
        initial = find_backbone(run or config.base.encoder.backbone)
        check_student(initial, config.base.encoder.student_layers, config.base.encoder.student_dim)
        initial.check_length(config.base.data.max_sequence_length)
