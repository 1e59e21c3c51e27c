"""Choosing the teachers that teach: the best of the grid by development scores (1904.09482 sec. 4.1)."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from mtdnn_tf.evaluation.average import Metrics, average
from mtdnn_tf.evaluation.result_names import task_of_result
from mtdnn_tf.files import read_json, write_json
from mtdnn_tf.recipe.config import RecipeConfig

_FILE = "selection.json"


def select_teachers(config: RecipeConfig, metrics: Mapping[int, Mapping[str, Metrics]]) -> list[int]:
    """Returns the numbers of the teachers that are kept, the best first, and writes why.

    Args:
        config: The recipe.
        metrics: Development metrics of each teacher, by its number.
    """
    scores = {number: _score(config, results) for number, results in metrics.items()}
    # Of equal teachers the first.
    ranked = sorted(scores, key=lambda number: (-scores[number], number))
    kept = ranked[: config.kept]
    tasks = list(config.selection_tasks) or [task.name for task in config.trained_tasks()]
    choice = {"tasks": tasks, "scores": {str(number): scores[number] for number in ranked}, "kept": kept}
    path = selection_file(config)
    if not path.is_file() or read_json(path) != choice:
        write_json(path, choice)
    return kept


def kept_teachers(config: RecipeConfig) -> list[int]:
    """Returns what `select_teachers` wrote."""
    return list(read_json(selection_file(config))["kept"])


def selection_file(config: RecipeConfig) -> Path:
    """Returns the file of the choice."""
    return config.stage_folder(_FILE)


def _score(config: RecipeConfig, results: Mapping[str, Metrics]) -> float:
    counted = {
        name: values
        for name, values in results.items()
        if not config.selection_tasks or task_of_result(name) in config.selection_tasks
    }
    over_tasks = average(counted)
    return over_tasks.score if over_tasks else 0.0
