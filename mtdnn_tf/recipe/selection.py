"""Choosing the teachers that teach: the best of the grid by development scores (1904.09482 sec. 4.1)."""

from __future__ import annotations

from collections.abc import Mapping

from mtdnn_tf.evaluation.measures.average import Metrics, average, task_of_result
from mtdnn_tf.json_files import read_checked_json, write_checked_json
from mtdnn_tf.recipe.config import RecipeConfig

SELECTION = "selection.json"
_REMEDY = "delete it and run mtdnn recipe again"


def select_teachers(config: RecipeConfig, metrics: Mapping[int, Mapping[str, Metrics]]) -> list[int]:
    """Returns the numbers of the teachers that are kept, the best first, and writes why.

    `metrics` are development metrics by a teacher's number and result name.
    """
    asked, scores = config.selection_tasks, {}
    for number, results in metrics.items():
        over_tasks = average({name: of for name, of in results.items() if not asked or task_of_result(name) in asked})
        scores[number] = over_tasks.score if over_tasks else 0.0
    # Of equal teachers the first.
    ranked = sorted(scores, key=lambda number: (-scores[number], number))
    kept = ranked[: config.kept]
    choice = {"tasks": _tasks(config), "scores": {str(number): scores[number] for number in ranked}, "kept": kept}
    write_checked_json(config.stage_folder(SELECTION), choice)
    return kept


def is_selected(config: RecipeConfig) -> bool:
    """Returns whether as many teachers have been chosen, by the same tasks."""
    if not config.stage_folder(SELECTION).is_file():
        return False
    choice = read_checked_json(config.stage_folder(SELECTION), _REMEDY)
    return choice["tasks"] == _tasks(config) and len(choice["kept"]) == config.kept


def kept_teachers(config: RecipeConfig) -> list[int]:
    """Returns what `select_teachers` wrote."""
    return list(read_checked_json(config.stage_folder(SELECTION), _REMEDY)["kept"])


def _tasks(config: RecipeConfig) -> list[str]:
    return list(config.selection_tasks) or [task.name for task in config.trained_tasks()]
