"""What an adaptation is told."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping

from mtdnn_tf.errors import UserError
from mtdnn_tf.modeling.backbones import find_backbone
from mtdnn_tf.modeling.layer_selection import picked_layers
from mtdnn_tf.modeling.multi_task_model import check_length
from mtdnn_tf.tasks.task import Task
from mtdnn_tf.training.config import TrainingConfig

PLAIN = "plain BERT"
FRACTIONS = (0.001, 0.01, 0.1, 1.0)
SUBSET_SEEDS = (0, 1, 2, 3, 4)
MIN_STEPS = 100
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
# Its folder, a name that no start may have.
PLAIN_FOLDER = "plain_bert"


@dataclasses.dataclass(frozen=True)
class AdaptationConfig:
    """What an adaptation is told.

    Attributes:
        base: What all trainings share, and the one task; its `output_dir` is the adaptation's folder, its `backbone`
            the plain encoder, its `epochs` the least number of epochs. Development splits are evaluated at the end of
            each training.
        starts: Runs whose encoders are adapted, by the name that tables give them.
        fractions: Shares of the task's training examples, above 0 and up to 1.
        subset_seeds: Each chooses one subset of each fraction, the smaller within the larger ones. A training's seed is
            `base.seed` plus its subset's, the same for every start, so that the spread is over initial heads and
            batches too.
        min_steps: Trainings that would have fewer steps get as many epochs as make this many.
    """

    base: TrainingConfig
    starts: Mapping[str, str]
    fractions: tuple[float, ...] = FRACTIONS
    subset_seeds: tuple[int, ...] = SUBSET_SEEDS
    min_steps: int = MIN_STEPS

    def __post_init__(self) -> None:
        if not self.starts:
            raise UserError("an adaptation takes one or more runs to start from, none given")
        for name in self.starts:
            if not _NAME.fullmatch(name) or name == PLAIN_FOLDER:
                raise UserError(
                    "the name of a start has letters, digits, '.', '_' and '-', begins with one of the first two, and "
                    f"is not {PLAIN_FOLDER}; {name!r} given; --starts=NAME:RUN gives a run another name"
                )
        given = ",".join(f"{fraction:g}" for fraction in self.fractions)
        if not self.fractions or any(not 0.0 < fraction <= 1.0 for fraction in self.fractions):
            raise UserError(f"--fractions takes numbers above 0, up to 1, {given or 'none'} given")
        if len(set(self.fractions)) < len(self.fractions):
            raise UserError(f"--fractions takes different numbers, {given} given")
        seeds = ",".join(map(str, self.subset_seeds))
        if not self.subset_seeds or len(set(self.subset_seeds)) < len(self.subset_seeds):
            raise UserError(f"--subset_seeds takes one or more different numbers, {seeds or 'none'} given")
        if self.min_steps < 1:
            raise UserError(f"--min_steps takes a whole number from 1, {self.min_steps} given")
        # What the adaptation sets itself, or has no use for.
        for field, instead in (
            ("train_fraction", "; --fractions says how many examples are trained on"),
            ("max_train_examples", "; --fractions says how many examples are trained on"),
            ("subset_seed", "; --subset_seeds chooses the subsets"),
            ("init_from", ""),
            ("soft_targets", ""),
            ("transfer_splits", ""),
        ):
            if getattr(self.base, field):
                raise UserError(f"--{field} is not taken by an adaptation{instead}")
        if self.base.evaluation == "never":
            raise UserError("--evaluation=never leaves an adaptation nothing to compare; end is accepted")
        _only_task(self.base)
        for seed in self.subset_seeds:  # Refuses what is no seed.
            dataclasses.replace(self.base, subset_seed=seed, seed=self.base.seed + seed)

    @property
    def task(self) -> Task:
        """The task that is adapted to."""
        return _only_task(self.base)

    @property
    def all_starts(self) -> dict[str, str | None]:
        """The run of every start by its name, None of the plain encoder, which is the first."""
        return {PLAIN: None, **self.starts}


def _only_task(base: TrainingConfig) -> Task:
    tasks = base.selected_tasks()
    if len(tasks) != 1:
        raise UserError(f"an adaptation takes one task, {len(tasks)} given: {', '.join(task.name for task in tasks)}")
    if tasks[0].head_of is not None:
        raise UserError(f"an adaptation takes a task that is trained; {tasks[0].name} is answered by another's head")
    return tasks[0]


def check_starts(config: AdaptationConfig) -> None:
    """Refuses, before the first training, an encoder that one of the later trainings would refuse.

    Raises:
        UserError: An encoder is not there, or too shallow or short for the settings.
    """
    for run in config.all_starts.values():
        initial = find_backbone(run or config.base.backbone)
        if config.base.student_layers is not None:
            picked_layers(config.base.student_layers, initial.config.num_layers, initial.source)
        check_length(initial, config.base.max_sequence_length)
