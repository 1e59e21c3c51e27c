"""What the ensemble and the student of a recipe cost to answer, as far as it does not depend on the machine."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from mtdnn_tf.evaluation.cost import forward_flops, parameters
from mtdnn_tf.modeling.model_folder import load_model
from mtdnn_tf.modeling.multi_task_model import MultiTaskModel
from mtdnn_tf.recipe.config import RecipeConfig
from mtdnn_tf.recipe.run_names import RunNames
from mtdnn_tf.report.data import Cost, CostRow
from mtdnn_tf.tasks.task import Task


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
    loaded: dict[Path, MultiTaskModel] = {}
    for _, runs in rows:
        loaded.update({run: load_model(run).model for run in runs if run not in loaded})
    length = config.base.max_sequence_length
    return Cost([_row(name, runs, loaded, length) for name, runs in rows], length)


def _answered(tasks: Sequence[Task], runs_of: Callable[[Task], Sequence[Path]]) -> dict[Path, list[Task]]:
    """Returns the tasks that each run answers."""
    answered: dict[Path, list[Task]] = {}
    for task in tasks:
        for run in runs_of(task):
            answered.setdefault(run, []).append(task)
    return answered


def _row(name: str, runs: Mapping[Path, Sequence[Task]], models: Mapping[Path, MultiTaskModel], length: int) -> CostRow:
    return CostRow(
        name,
        sum(parameters(models[run]).total for run in runs),
        sum(
            forward_flops(models[run].backbone, [models[run].heads[task.head_task] for task in answered], length)
            for run, answered in runs.items()
        ),
    )
