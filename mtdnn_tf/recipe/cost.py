"""What the ensemble and the student of a recipe cost to answer, as far as it does not depend on the machine."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import tensorflow as tf

from mtdnn_tf.evaluation.measures.cost import forward_flops, parameters
from mtdnn_tf.modeling.backbone import BackboneConfig
from mtdnn_tf.modeling.checkpoints.model_folder import load_model
from mtdnn_tf.recipe.config import RecipeConfig
from mtdnn_tf.recipe.run_names import RunNames
from mtdnn_tf.report.data import Cost, CostRow
from mtdnn_tf.tasks.task import Task


class _Measured(NamedTuple):
    """What is kept of a model: the shape that `forward_flops` asks for, not the encoder, of which there may be many."""

    parameters: int
    shape: BackboneConfig
    heads: dict[str, tf.keras.layers.Layer]


def answering_cost(config: RecipeConfig) -> Cost:
    """Returns parameters and operations of the answer to one task with a teacher, and of the answers to all tasks.

    An encoder is run once for all the tasks that its model answers. Times are no part of it, so that a report is the
    same on every machine; `tools.cost` measures them.

    Args:
        config: A recipe whose stages are all done.
    """
    names, seed = RunNames(config), config.all_seeds[0]
    tasks = config.trained_tasks()
    first = config.taught_tasks()[0]
    student = names.folder(names.student(seed))
    rows = [
        (f"{first.name}: ensemble of {config.kept}", _answered([first], names.ensemble)),
        (f"{first.name}: student", {student: [first]}),
    ]
    if config.single_task:
        alone = {names.folder(names.single_task(task, seed)): [task] for task in tasks}
        rows.append((f"all {len(tasks)} tasks: single-task models", alone))
    rows.append((f"all {len(tasks)} tasks: ensembles", _answered(tasks, names.ensemble)))
    rows.append((f"all {len(tasks)} tasks: student", {student: tasks}))
    measured = {run: _measure(run) for run in sorted({run for _, runs in rows for run in runs})}
    length = config.base.data.max_sequence_length
    return Cost(
        [
            CostRow(
                name,
                sum(measured[run].parameters for run in runs),
                sum(_flops(measured[run], answered, length) for run, answered in runs.items()),
            )
            for name, runs in rows
        ],
        length,
    )


def _answered(tasks: Sequence[Task], runs_of: Callable[[Task], Sequence[Path]]) -> dict[Path, list[Task]]:
    """Returns the tasks that each run answers."""
    answered: dict[Path, list[Task]] = {}
    for task in tasks:
        for run in runs_of(task):
            answered.setdefault(run, []).append(task)
    return answered


def _measure(run: Path) -> _Measured:
    tf.keras.backend.clear_session()
    model = load_model(run).model
    return _Measured(parameters(model).total, model.backbone.config, dict(model.heads))


def _flops(measured: _Measured, tasks: Sequence[Task], length: int) -> int:
    return forward_flops(measured.shape, [measured.heads[task.head_task] for task in tasks], length)
