"""What the ensemble and the student of a recipe cost to answer, as far as it does not depend on the machine."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from pathlib import Path

import tensorflow as tf

from mtdnn_tf.evaluation.measures.cost import forward_flops, parameters
from mtdnn_tf.modeling.backbone import BackboneConfig
from mtdnn_tf.modeling.checkpoints.model_folder import load_model
from mtdnn_tf.recipe.config import RecipeConfig
from mtdnn_tf.recipe.run_names import ensemble, seed_stage
from mtdnn_tf.report import roles
from mtdnn_tf.report.data import Cost, CostRow
from mtdnn_tf.tasks.task import Task


def answering_cost(config: RecipeConfig) -> Cost:
    """Returns parameters and operations of the answer to one task with a teacher, and of the answers to all tasks.

    An encoder is run once for all the tasks that its model answers. Times are no part of it, so that a report is the
    same on every machine; `mtdnn cost` measures them. The recipe's stages must be done.
    """
    seed, tasks, first = config.all_seeds[0], config.trained_tasks(), config.taught_tasks()[0]
    student = config.stage_folder(seed_stage(roles.STUDENT, seed))
    length = config.base.data.max_sequence_length
    measured = functools.cache(_measure)

    def row(name: str, answered: Sequence[Task], runs_of: Callable[[Task], Sequence[Path]]) -> CostRow:
        answers: dict[Path, list[Task]] = {}
        for task in answered:
            for run in runs_of(task):
                answers.setdefault(run, []).append(task)
        count = flops = 0
        for run, of_run in answers.items():
            weights, shape, heads = measured(run)
            count += weights
            flops += forward_flops(shape, [heads[task.head_task] for task in of_run], length)
        return CostRow(name, count, flops)

    def alone(task: Task) -> list[Path]:
        return [config.stage_folder(seed_stage(roles.SINGLE_TASK, seed, task))]

    ensembles, everything = functools.partial(ensemble, config), f"all {len(tasks)} tasks"
    rows = [
        row(f"{first.name}: ensemble of {config.kept}", [first], ensembles),
        row(f"{first.name}: student", [first], lambda _: [student]),
        *([row(f"{everything}: single-task models", tasks, alone)] if config.single_task else []),
        row(f"{everything}: ensembles", tasks, ensembles),
        row(f"{everything}: student", tasks, lambda _: [student]),
    ]
    return Cost(rows, length)


def _measure(run: Path) -> tuple[int, BackboneConfig, dict[str, tf.keras.layers.Layer]]:
    """Returns a model's parameters, shape and heads, without the encoder: there may be many."""
    tf.keras.backend.clear_session()
    model = load_model(run).model
    return parameters(model).total, model.backbone.config, dict(model.heads)
