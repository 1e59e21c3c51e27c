"""The stages of a recipe, in the order in which they are run: something with a name that is done or not."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Sequence

from mtdnn_tf.data.tokenizer import Tokenizer
from mtdnn_tf.distillation.soft_targets import soft_target_folder
from mtdnn_tf.evaluation.ensembles.scoring import Scoring, is_scored_by, score
from mtdnn_tf.recipe.config import WHOLE_ENCODER, RecipeConfig
from mtdnn_tf.recipe.run_names import fold_stage, places, scorers, seed_stage, teacher_stage, tuned_teacher_stage
from mtdnn_tf.recipe.selection import SELECTION, is_selected, kept_teachers, select_teachers
from mtdnn_tf.report import roles
from mtdnn_tf.tasks.task import TRAIN, Task
from mtdnn_tf.training.config import TrainingConfig
from mtdnn_tf.training.preparation import training_size
from mtdnn_tf.training.run import check_trained, is_trained, read_metrics, train

SOFT_TARGETS = "soft_targets"


@dataclasses.dataclass(frozen=True)
class Stage:
    """One stage."""

    name: str  # Its folder or file below the recipe's folder.
    what: str  # What it makes, in a few words.
    run: Callable[[], object]  # Makes it, going on where an interrupted run stopped.
    is_done: Callable[[], bool]
    # Returns how many training steps it takes from its start; the tokenizer encodes the rows for it.
    steps: Callable[[Tokenizer], int] = lambda tokenizer: 0
    check: Callable[[], object] = lambda: None  # Refuses other settings than those that it was done with.


def all_stages(config: RecipeConfig) -> list[Stage]:
    """Returns every stage, each of which needs only those before it."""
    stages = _single_task(config) if config.single_task else []
    stages += _teachers(config)
    if config.fine_tune_teachers:
        stages += [_tuned(config, task, place) for task in config.taught_tasks() for place in places(config)]
    if config.folds is not None:
        stages += _folds(config, config.folds)
    return [*stages, *_soft_targets(config), *_seeds(config)]


def _training(
    config: RecipeConfig,
    name: str,
    what: str,
    settings: TrainingConfig,
    known_later: Callable[[], dict[str, object]] = dict,
) -> Stage:
    """Returns the stage of a training; what earlier stages decide, `known_later`, changes no number of steps."""
    settings = settings.replace(output_dir=config.stage_folder(name))

    def known() -> TrainingConfig:
        return settings.replace(**known_later())

    return Stage(
        name=name,
        what=what,
        run=lambda: train(known()),
        is_done=lambda: is_trained(settings.output_dir),
        steps=lambda tokenizer: settings.optimization.epochs * training_size(settings, tokenizer).steps_per_epoch,
        check=lambda: check_trained(known()),
    )


def _teacher_settings(config: RecipeConfig, number: int) -> dict[str, object]:
    """Returns the settings of a teacher that differ from the others'."""
    backbone, dropout = config.grid[number - 1]
    seed = config.base.optimization.seed + number
    return {"backbone": backbone, "dropout": dropout, "seed": seed, **WHOLE_ENCODER}


def _as_kept(config: RecipeConfig, place: int) -> dict[str, object]:
    return _teacher_settings(config, kept_teachers(config)[place - 1])


def _tuned(config: RecipeConfig, task: Task, place: int, fold: int | None = None) -> Stage:
    """Returns the stage of the fine-tuning of a kept teacher, or of the model that was made as it without a fold."""
    name, what, left_out = tuned_teacher_stage(task, place), f"kept teacher {place} on {task.name}", {}
    if fold is not None:
        name, left_out = fold_stage(place, fold, task), {"folds": config.folds, "held_out_fold": fold}
        what = f"as kept teacher {place} on {task.name}, without fold {fold} of {config.folds}"

    def known_later() -> dict[str, object]:
        made_as = _as_kept(config, place)
        start = fold_stage(place, fold) if fold is not None else teacher_stage(kept_teachers(config)[place - 1])
        run = str(config.stage_folder(start))
        return {"init_from": run, "dropout": made_as["dropout"], "seed": made_as["seed"]}

    settings = config.fine_tuning.replace(tasks=(task.name,), **left_out)
    return _training(config, name, what, settings, known_later)


def _single_task(config: RecipeConfig) -> list[Stage]:
    alone = config.gold_only.replace(**WHOLE_ENCODER, task_weights=())
    stages = []
    for seed in config.all_seeds:
        for task in config.trained_tasks():
            settings = alone.replace(tasks=(task.name,), seed=seed)
            stages.append(_training(config, seed_stage(roles.SINGLE_TASK, seed, task), f"{task.name} alone", settings))
    return stages


def _teachers(config: RecipeConfig) -> list[Stage]:
    numbers = range(1, len(config.grid) + 1)
    stages = []
    for number in numbers:
        made_as = _teacher_settings(config, number)
        what = f"teacher {number}: {made_as['backbone']}, dropout {made_as['dropout']}"
        stages.append(_training(config, teacher_stage(number), what, config.gold_only.replace(**made_as)))

    def select() -> list[int]:
        metrics = {number: read_metrics(config.stage_folder(teacher_stage(number))) for number in numbers}
        return select_teachers(config, metrics)

    what = f"the best {config.kept} of {len(numbers)}"
    return [*stages, Stage(SELECTION, what, select, functools.partial(is_selected, config))]


def _folds(config: RecipeConfig, folds: int) -> list[Stage]:
    stages = []
    for place in places(config):
        for fold in range(folds):
            what = f"as kept teacher {place}, without fold {fold} of {folds}"
            base = config.gold_only.replace(**WHOLE_ENCODER, folds=folds, held_out_fold=fold)
            known_later = functools.partial(_as_kept, config, place)
            stages.append(_training(config, fold_stage(place, fold), what, base, known_later))
            if config.fine_tune_teachers:
                stages += [_tuned(config, task, place, fold) for task in config.taught_tasks()]
    return stages


def _soft_targets(config: RecipeConfig) -> list[Stage]:
    base, taught = config.base, config.taught_tasks()
    # Teachers that answer several tasks are read once for all of them.
    groups = [[task] for task in taught] if config.fine_tune_teachers else [taught]
    stages = []
    for split in (TRAIN, *base.distillation.transfer_splits):
        for group in groups:
            tasks = [task for task in group if base.data.source.has_split(task, split)]
            if tasks:
                of_split = "" if split == TRAIN else f"-{split}"
                name = f"{SOFT_TARGETS}/{tasks[0].name if len(tasks) == 1 else 'all'}{of_split}"
                what = f"soft targets of {', '.join(task.name for task in tasks)}, split {split}"
                run = functools.partial(_score, config, tasks, split)
                stages.append(Stage(name, what, run, functools.partial(_are_scored, config, tasks, split)))
    return stages


def _are_scored(config: RecipeConfig, tasks: Sequence[Task], split: str) -> bool:
    folder = config.stage_folder(SOFT_TARGETS)
    return is_selected(config) and all(
        is_scored_by(soft_target_folder(folder, task, split), scorers(config, task)) for task in tasks
    )


def _score(config: RecipeConfig, tasks: Sequence[Task], split: str) -> None:
    base = config.base
    left = [task for task in tasks if not _are_scored(config, [task], split)]
    runs, inference = scorers(config, left[0]), base.inference_settings()
    folder = config.stage_folder(SOFT_TARGETS)
    score(Scoring(runs, left, split, base.data.task_data(), folder, inference=inference, train_part=base.part))


def _seeds(config: RecipeConfig) -> list[Stage]:
    stages = []
    for seed in config.all_seeds:
        multi_task, student = seed_stage(roles.MULTI_TASK, seed), seed_stage(roles.STUDENT, seed)
        stages.append(_training(config, multi_task, f"all tasks, seed {seed}", config.gold_only.replace(seed=seed)))
        epochs = config.student_epochs or config.base.optimization.epochs
        settings = config.base.replace(epochs=epochs, seed=seed, soft_targets=(config.stage_folder(SOFT_TARGETS),))
        stages.append(_training(config, student, f"the student, seed {seed}", settings))
        fine_tuned = ((multi_task, roles.FINE_TUNED_MULTI_TASK), (student, roles.FINE_TUNED_STUDENT))
        for start, role in fine_tuned if config.fine_tune_student else ():
            tuned = config.fine_tuning.replace(seed=seed, init_from=str(config.stage_folder(start)))
            for task in config.trained_tasks():
                name = seed_stage(role, seed, task)
                stages.append(_training(config, name, f"{start} on {task.name}", tuned.replace(tasks=(task.name,))))
    return stages
