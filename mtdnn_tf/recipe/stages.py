"""The stages of a recipe, in the order in which they are run."""

from __future__ import annotations

import functools
from collections.abc import Sequence

from mtdnn_tf.data.sources.source import has_split
from mtdnn_tf.distillation.soft_targets import soft_target_folder
from mtdnn_tf.evaluation.ensembles.scoring import Scoring, is_scored_by, score
from mtdnn_tf.recipe.config import RecipeConfig
from mtdnn_tf.recipe.run_names import RunNames
from mtdnn_tf.recipe.selection import SELECTION, is_selected, select_teachers
from mtdnn_tf.recipe.stage import Stage, training_stage
from mtdnn_tf.tasks.task import TRAIN, Task
from mtdnn_tf.training.config import TrainingConfig
from mtdnn_tf.training.run import read_metrics

SOFT_TARGETS = "soft_targets"


def all_stages(config: RecipeConfig) -> list[Stage]:
    """Returns every stage, each of which needs only those before it.

    Args:
        config: The recipe.
    """
    return _Stages(config).in_order()


class _Stages:
    """Makes the stages of a recipe."""

    def __init__(self, config: RecipeConfig) -> None:
        self._config = config
        self._runs = RunNames(config)

    def in_order(self) -> list[Stage]:
        """Returns all stages."""
        config = self._config
        stages = self._single_task() if config.single_task else []
        stages += self._teachers()
        if config.fine_tune_teachers:
            stages += self._fine_tuned_teachers()
        if config.folds is not None:
            stages += self._folds(config.folds)
        stages += self._soft_targets()
        stages += self._seeds()
        return stages

    def _training(self, name: str, what: str, base: TrainingConfig, **changes: object) -> Stage:
        """Returns the stage of a training of which everything is known."""
        settings = base.replace(output_dir=self._runs.folder(name), **changes)
        return training_stage(name, what, settings)

    def _fine_tuning(self, name: str, what: str, task: Task, place: int, start: str | None, **changes: object) -> Stage:
        """Returns the stage of the fine-tuning of a kept teacher, or of `start`, which was made as it."""
        settings = self._config.fine_tuning.replace(
            output_dir=self._runs.folder(name),
            tasks=(task.name,),
            **changes,
        )

        def deferred_settings() -> dict[str, object]:
            number = self._runs.kept_number(place)
            made_as = self._of_teacher(number)
            run = self._runs.folder(start or self._runs.teacher(number))
            return {"init_from": str(run), "dropout": made_as["dropout"], "seed": made_as["seed"]}

        return training_stage(name, what, settings, deferred_settings)

    def _single_task(self) -> list[Stage]:
        alone = self._config.gold_only.replace(student_layers=None, task_weights=())
        return [
            self._training(
                self._runs.single_task(task, seed), f"{task.name} alone", alone, tasks=(task.name,), seed=seed
            )
            for seed in self._config.all_seeds
            for task in self._config.trained_tasks()
        ]

    def _of_teacher(self, number: int) -> dict[str, object]:
        """Returns what a teacher's settings have of their own."""
        backbone, dropout = self._config.grid[number - 1]
        seed = self._config.base.optimization.seed + number
        return {"backbone": backbone, "dropout": dropout, "seed": seed, "student_layers": None}

    def _teachers(self) -> list[Stage]:
        numbers = range(1, self._config.grid_size + 1)
        stages = []
        for number in numbers:
            made_as = self._of_teacher(number)
            what = f"teacher {number}: {made_as['backbone']}, dropout {made_as['dropout']}"
            stages.append(self._training(self._runs.teacher(number), what, self._config.gold_only, **made_as))

        def select() -> list[int]:
            metrics = {number: read_metrics(self._runs.folder(self._runs.teacher(number))) for number in numbers}
            return select_teachers(self._config, metrics)

        what = f"the best {self._config.kept} of {len(numbers)}"
        return [*stages, Stage(SELECTION, what, select, functools.partial(is_selected, self._config))]

    def _fine_tuned_teachers(self) -> list[Stage]:
        return [
            self._fine_tuning(
                self._runs.fine_tuned_teacher(task, place), f"kept teacher {place} on {task.name}", task, place, None
            )
            for task in self._config.taught_tasks()
            for place in self._runs.places
        ]

    def _folds(self, folds: int) -> list[Stage]:
        stages = []
        for place in self._runs.places:
            for fold in range(folds):
                name = self._runs.fold(place, fold)
                left_out = {"folds": folds, "held_out_fold": fold}
                settings = self._config.gold_only.replace(
                    output_dir=self._runs.folder(name),
                    student_layers=None,
                    **left_out,
                )
                what = f"as kept teacher {place}, without fold {fold} of {folds}"
                stages.append(training_stage(name, what, settings, functools.partial(self._as_kept, place)))
                if not self._config.fine_tune_teachers:
                    continue
                stages += [
                    self._fine_tuning(
                        self._runs.fine_tuned_fold(task, place, fold),
                        f"as kept teacher {place} on {task.name}, without fold {fold} of {folds}",
                        task,
                        place,
                        name,
                        **left_out,
                    )
                    for task in self._config.taught_tasks()
                ]
        return stages

    def _as_kept(self, place: int) -> dict[str, object]:
        return self._of_teacher(self._runs.kept_number(place))

    def _soft_targets(self) -> list[Stage]:
        base, taught = self._config.base, self._config.taught_tasks()
        # Teachers that answer several tasks are read once for all of them.
        groups = [[task] for task in taught] if self._config.fine_tune_teachers else [taught]
        stages = []
        for split in (TRAIN, *base.distillation.transfer_splits):
            for group in groups:
                tasks = [task for task in group if has_split(task, split, base.data.source)]
                if tasks:
                    names = ", ".join(task.name for task in tasks)
                    of_split = "" if split == TRAIN else f"-{split}"
                    stages.append(
                        Stage(
                            f"{SOFT_TARGETS}/{tasks[0].name if len(tasks) == 1 else 'all'}{of_split}",
                            f"soft targets of {names}, split {split}",
                            functools.partial(self._score, tasks, split),
                            functools.partial(self._are_scored, tasks, split),
                        )
                    )
        return stages

    def _is_scored(self, task: Task, split: str) -> bool:
        store = soft_target_folder(self._config.stage_folder(SOFT_TARGETS), task, split)
        return is_selected(self._config) and is_scored_by(store, self._runs.scorers(task))

    def _are_scored(self, tasks: Sequence[Task], split: str) -> bool:
        return all(self._is_scored(task, split) for task in tasks)

    def _score(self, tasks: Sequence[Task], split: str) -> None:
        base, folder = self._config.base, self._config.stage_folder(SOFT_TARGETS)
        left = [task for task in tasks if not self._is_scored(task, split)]
        score(
            Scoring(
                self._runs.scorers(left[0]),
                left,
                split,
                base.data.task_data(),
                folder,
                inference=base.inference_settings(),
                train_part=base.part,
            )
        )

    def _seeds(self) -> list[Stage]:
        config, soft_targets = self._config, self._config.stage_folder(SOFT_TARGETS)
        stages = []
        for seed in config.all_seeds:
            multi_task, student = self._runs.multi_task(seed), self._runs.student(seed)
            stages.append(self._training(multi_task, f"all tasks, seed {seed}", config.gold_only, seed=seed))
            what = f"the student, seed {seed}"
            stages.append(self._training(student, what, config.student, seed=seed, soft_targets=(soft_targets,)))
            if config.fine_tune_student:
                stages += self._fine_tuned("multi_task", multi_task, seed) + self._fine_tuned("student", student, seed)
        return stages

    def _fine_tuned(self, model: str, start: str, seed: int) -> list[Stage]:
        return [
            self._training(
                self._runs.fine_tuned(model, task, seed),
                f"{start} on {task.name}",
                self._config.fine_tuning,
                tasks=(task.name,),
                seed=seed,
                init_from=str(self._runs.folder(start)),
            )
            for task in self._config.trained_tasks()
        ]
