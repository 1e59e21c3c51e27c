"""The whole job, stage by stage: teachers, soft targets, baselines, student, evaluation, table (1904.09482 sec. 3-4).

Every stage has a folder of its own below the recipe's; one that is complete is not run again.
"""

from __future__ import annotations

import dataclasses
import logging
from pathlib import Path

from mtdnn_tf.data.sources import has_split
from mtdnn_tf.distillation.soft_targets import soft_target_folder
from mtdnn_tf.errors import UserError
from mtdnn_tf.evaluation.results_table import Metrics, markdown_table, text_table
from mtdnn_tf.evaluation.runs import metrics_of, predict_with_runs
from mtdnn_tf.evaluation.scoring import score
from mtdnn_tf.files import MANIFEST, fingerprint, read_json, write_json, write_text
from mtdnn_tf.modeling.backbones import find_backbone
from mtdnn_tf.modeling.layer_selection import picked_layers
from mtdnn_tf.modeling.model_folder import load_model
from mtdnn_tf.serving.export import export_saved_model
from mtdnn_tf.tasks.task import TRAIN
from mtdnn_tf.training.config import TrainingConfig
from mtdnn_tf.training.run import train
from mtdnn_tf.training.transfer import check_settings

STUDENT = "student"
_log = logging.getLogger("absl")


@dataclasses.dataclass(frozen=True)
class RecipeConfig:
    """What the recipe is told.

    Attributes:
        base: What all trainings share; its `output_dir` is the recipe's folder, its `seed` the student's, its
            `student_layers` those of the student and of the multi-task model that it is compared with.
        dropouts: Encoder dropout of each teacher; teacher number i of 1, 2, ... has the seed `base.seed` + i.
        teacher_tasks: Tasks that get soft targets; empty for all. The others learn from gold labels alone.
        single_task: Whether single-task models are trained too, to compare with.
    """

    base: TrainingConfig
    dropouts: tuple[float, ...] = (0.1, 0.2, 0.3)
    teacher_tasks: tuple[str, ...] = ()
    single_task: bool = False

    def __post_init__(self) -> None:
        if not self.dropouts:
            raise UserError("--dropouts takes one number a teacher, none given")
        if self.base.soft_targets:
            raise UserError("--soft_targets is made by the recipe and not taken by it")


def run_recipe(config: RecipeConfig) -> dict[str, dict[str, Metrics]]:
    """Runs every stage that is not complete.

    Args:
        config: What to run.

    Returns:
        Development metrics by model and result name.

    Raises:
        UserError: Something given is not accepted, or a stage's folder holds a stage of other settings.
    """
    folder = config.base.output_dir
    tasks = config.base.selected_tasks()
    teacher_tasks = [task for task in tasks if task.name in config.teacher_tasks or not config.teacher_tasks]
    unknown = set(config.teacher_tasks) - {task.name for task in tasks}
    if unknown:
        raise UserError(f"--teacher_tasks: {', '.join(sorted(unknown))} is not among --tasks")
    if config.base.student_layers is not None:  # Refused now, not after the teachers are trained.
        initial = find_backbone(config.base.init_from or config.base.backbone)
        picked_layers(config.base.student_layers, initial.config.num_layers, initial.source)
    check_settings(config.base, tasks, [task.name for task in teacher_tasks])
    # Teachers and baselines have no soft targets to use these on.
    gold_only = dataclasses.replace(config.base, transfer_splits=(), distill_variance_weighting=False)
    full = dataclasses.replace(gold_only, student_layers=None)
    results: dict[str, dict[str, Metrics]] = {}
    if config.single_task:
        single: dict[str, Metrics] = {}
        for task in tasks:
            single.update(_train(full, f"single_task/{task.name}", tasks=(task.name,)))
        results["single-task"] = single

    teachers = []
    for number, dropout in enumerate(config.dropouts, start=1):
        name = f"teachers/{number}"
        seed = config.base.seed + number
        results[f"teacher {number} (dropout {dropout:g})"] = _train(full, name, seed=seed, dropout=dropout)
        teachers.append(folder / name)

    results[f"ensemble of {len(teachers)}"] = _evaluate_ensemble(config.base, teachers)
    results["multi-task"] = _train(gold_only, "multi_task")
    soft_targets = folder / "soft_targets"
    for split in (TRAIN, *config.base.transfer_splits):
        scored_tasks = [task for task in teacher_tasks if has_split(task, split, config.base.source)]
        stores = [soft_target_folder(soft_targets, task, split) for task in scored_tasks]
        if all((store / MANIFEST).is_file() for store in stores):
            continue
        _log.info("%s: scoring split %s with %d teachers", soft_targets, split, len(teachers))
        score(
            teachers,
            scored_tasks,
            split,
            config.base.source,
            config.base.cache_dir,
            soft_targets,
            batch_size=config.base.evaluation_batch_size,
        )
    results["distilled student"] = _train(config.base, STUDENT, soft_targets=(soft_targets,))
    _write_report(folder / "report", results)
    _export(folder)
    return results


def _train(base: TrainingConfig, name: str, **changes: object) -> dict[str, Metrics]:
    config = dataclasses.replace(base, output_dir=base.output_dir / name, **changes)  # type: ignore[arg-type]
    return dict(train(config))


def _evaluate_ensemble(base: TrainingConfig, teachers: list[Path]) -> dict[str, Metrics]:
    path = base.output_dir / "ensemble" / "metrics.json"
    made_from = fingerprint([read_json(teacher / "config.json") for teacher in teachers])
    if path.is_file() and (stored := read_json(path)).get("teachers") == made_from:
        return dict(stored["metrics"])
    predictions, _ = predict_with_runs(teachers, [], [], base.source, base.cache_dir, base.evaluation_batch_size)
    metrics = metrics_of(predictions)
    write_json(path, {"teachers": made_from, "metrics": metrics})
    return dict(metrics)


def _write_report(folder: Path, results: dict[str, dict[str, Metrics]]) -> None:
    write_json(folder / "results.json", results)
    write_text(folder / "results.md", markdown_table(results, show_metrics=True))
    _log.info("%s: development scores x 100\n%s", folder, text_table(results))


def _export(folder: Path) -> None:
    version = folder / "export" / "1"
    if version.exists():
        return
    export_saved_model(load_model(folder / STUDENT), version)
    _log.info("%s: SavedModel written", version)
