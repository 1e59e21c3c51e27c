"""The trainings of a block of the study: an ensemble, its students, and what both are compared with."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from benchmarks.evidence.plan import EQUAL_STEPS, Plan
from benchmarks.evidence.splits import DEVELOPMENT, OTHER_DOMAIN, TEST
from mtdnn_tf.tasks.task import TRAIN
from mtdnn_tf.training.config import TrainingConfig

SINGLE_TASK, SINGLE_TASK_EQUAL_STEPS = "single_task", "single_task_equal_steps"
MULTI_TASK, ENSEMBLE = "multi_task", "ensemble"
FINE_TUNED = "_fine_tuned"
ADAPTATION = "adaptation"
PLAIN = "plain"


class Training(NamedTuple):
    """A training of the study.

    Attributes:
        arm: What is compared.
        seed: Its seed.
        settings: Its settings; the run folder is its `output_dir`.
    """

    arm: str
    seed: int
    settings: TrainingConfig

    @property
    def tasks(self) -> tuple[str, ...]:
        """The tasks that it is trained on."""
        return self.settings.data.tasks

    @property
    def is_needed_later(self) -> bool:
        """Whether others learn from its predictions, start from its weights, or its price is measured."""
        return len(self.tasks) > 1

    @property
    def name(self) -> str:
        """Its folder below the block's."""
        task = f"/{self.tasks[0]}" if len(self.tasks) == 1 else ""
        return f"{self.arm}{task}/seed_{self.seed}"


class Block:
    """A part of the study that needs no other: an ensemble's, or that of the single-task models with equal steps.

    Args:
        plan: The plan.
        name: Its name, one of the plan's.
        task_file: The study's task file.
        folder: Folder of the block.
        tested: Whether test rows are predicted.
    """

    def __init__(self, plan: Plan, name: str, task_file: Path, folder: Path, tested: bool = True) -> None:
        self.plan = plan
        # From 1; 0 for none.
        self.ensemble = 0 if name == EQUAL_STEPS else plan.blocks.index(name) + 1
        self.folder = folder
        self._tested = tested
        self.base = TrainingConfig.build(
            output_dir=folder,
            task_file=(task_file,),
            cache_dir=folder.parent / "cache",
            tasks=plan.trained_tasks,
            evaluation="never",
            **_options(plan.training),
        )

    def members(self) -> list[Training]:
        """Returns the trainings of the ensemble's members."""
        if not self.ensemble:
            return []
        return [self._training(MULTI_TASK, seed) for seed in self.plan.members(self.ensemble)]

    def others(self) -> list[Training]:
        """Returns all other trainings, each of which needs only those before it, and the soft targets."""
        if not self.ensemble:
            return list(self._equal_steps())
        return [*self._students(), *self._fine_tuned(), *self._single_task(), *self._adapted()]

    def soft_targets(self, split: str) -> Path:
        """Returns the folder of the ensemble's soft targets of a split."""
        return self.folder / "soft_targets" / split

    def splits_of(self, task: str) -> list[str]:
        """Returns the splits of a task that models predict."""
        other = [OTHER_DOMAIN] if task in self.plan.tasks["other_domain"] else []
        return [DEVELOPMENT, TEST, *other] if self._tested else [DEVELOPMENT]

    def _training(self, arm: str, seed: int, **changes: object) -> Training:
        training = Training(arm, seed, self.base.replace(seed=seed, **changes))
        return training._replace(settings=training.settings.replace(output_dir=self.folder / training.name))

    def _students(self) -> Iterator[Training]:
        for seed in self.plan.students_of(self.ensemble):
            for arm, options in self.plan.students.items():
                splits = (TRAIN, *options.get("transfer_splits", ()))
                changes = {**_options(options), "soft_targets": tuple(map(self.soft_targets, splits))}
                yield self._training(arm, seed, **changes)

    def _fine_tuned(self) -> Iterator[Training]:
        plan, number = self.plan.fine_tuning, self.plan.fine_tuning["seeds"]
        starts = [(MULTI_TASK, seed) for seed in self.plan.members(self.ensemble)[:number]]
        starts += [(arm, seed) for seed in self.plan.students_of(self.ensemble)[:number] for arm in plan["students"]]
        for arm, seed in starts:
            for task in self.plan.trained_tasks:
                start = {"init_from": self._run(arm, seed), "tasks": (task,)}
                yield self._training(f"{arm}{FINE_TUNED}", seed, **start, **plan["options"])

    def _single_task(self) -> Iterator[Training]:
        for seed in self.plan.members(self.ensemble)[: self.plan.single_task["seeds"]]:
            for task in self.plan.trained_tasks:
                yield self._training(SINGLE_TASK, seed, tasks=(task,))

    def _equal_steps(self) -> Iterator[Training]:
        tasks = self.plan.trained_tasks
        # All tasks have as many labelled rows.
        epochs = len(tasks) * self.base.optimization.epochs
        for seed in self.plan.single_task[EQUAL_STEPS]:
            for task in tasks:
                yield self._training(SINGLE_TASK_EQUAL_STEPS, seed, tasks=(task,), epochs=epochs)

    def _adapted(self) -> Iterator[Training]:
        plan, student = self.plan.adaptation, self.plan.adaptation["student"]
        members, students = self.plan.members(self.ensemble), self.plan.students_of(self.ensemble)
        for member, taught in list(zip(members, students))[: plan["seeds"]]:
            starts = {PLAIN: None, MULTI_TASK: self._run(MULTI_TASK, member), student: self._run(student, taught)}
            for task in self.plan.tasks["adaptation"]:
                for labels in plan["labels"]:
                    steps = math.ceil(labels / self.base.optimization.batch_size)
                    epochs = max(plan["epochs"], math.ceil(plan["min_steps"] / steps))
                    part = {"epochs": epochs, "max_train_examples": labels, "subset_seed": member}
                    for start, run in starts.items():
                        arm = f"{ADAPTATION}/{start}/{labels}"
                        yield self._training(arm, member, tasks=(task,), init_from=run, **part)

    def _run(self, arm: str, seed: int) -> str:
        return str(self.folder / arm / f"seed_{seed}")


def _options(values: object) -> dict[str, object]:
    """Returns options of YAML as `TrainingConfig` has them."""
    assert isinstance(values, dict)
    return {name: tuple(value) if isinstance(value, list) else value for name, value in values.items()}
