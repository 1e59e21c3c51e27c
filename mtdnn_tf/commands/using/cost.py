"""Prints the cost of an ensemble and its student: parameters, operations, latency."""

from __future__ import annotations

import os
from typing import Any

import tensorflow as tf
from absl import flags

from mtdnn_tf.commands.program import Command
from mtdnn_tf.errors import UserError, unknown_name
from mtdnn_tf.evaluation.measures.cost import REPEATS, Cost, compare_costs, cost_ratios, parameters
from mtdnn_tf.flags.numbers import define_integer
from mtdnn_tf.flags.paths import define_path, define_paths
from mtdnn_tf.json_files import to_json, write_json
from mtdnn_tf.modeling.checkpoints.model_folder import load_model, read_tasks
from mtdnn_tf.options import parse_list
from mtdnn_tf.tasks.task import Task
from mtdnn_tf.text_tables import aligned_table

_RUNS = define_paths("runs", "Comma-separated folders of the ensemble's runs.")
_STUDENT = define_path("student", "Folder of the student's run.")
_TASK = flags.DEFINE_string("task", None, "Task to measure; default: the first task that all runs have.")
_LENGTH = define_integer("length", 64, "Number of word pieces per sequence, including padding.", 1)
_BATCH_SIZE = flags.DEFINE_list("batch_size", ["1", "8", "32"], "Comma-separated numbers of sequences per request.")
_REPEATS = define_integer("repeats", REPEATS, "Number of timed requests per batch size.", 1)
_OUTPUT = define_path("output", "JSON file for the costs.")


def main() -> None:
    batch_sizes = parse_list("batch_size", _BATCH_SIZE.value, "int")
    if not batch_sizes or min(batch_sizes) < 1:
        given = ",".join(_BATCH_SIZE.value) or "nothing"
        raise UserError(f"--batch_size must be comma-separated integers >= 1, got {given}")
    task = _common_task([read_tasks(run) for run in (_STUDENT.value, *_RUNS.value)])
    ensemble = [load_model(run) for run in _RUNS.value]
    student = load_model(_STUDENT.value)
    candidates = {f"ensemble of {len(ensemble)}": [loaded.model for loaded in ensemble], "student": [student.model]}
    costs = compare_costs(candidates, task, _LENGTH.value, batch_sizes, _REPEATS.value)
    ratios, cpus = cost_ratios(*costs), os.cpu_count()
    if _OUTPUT.value:
        write_json(
            _OUTPUT.value,
            {
                "task": task.name,
                "length": _LENGTH.value,
                "cpus": cpus,
                "gpus": len(tf.config.list_physical_devices("GPU")),
                "tensorflow": tf.__version__,
                "ensemble": to_json(costs[0]),
                "student": {**to_json(costs[1]), "parts": to_json(parameters(student.model))},
                "ratios": ratios,
            },
        )
    print(f"task {task.name}, {_LENGTH.value} word pieces, {cpus} CPUs; median of {_REPEATS.value} [quartiles]")
    print(_table(costs, ratios), end="")


def _common_task(tasks_of_runs: list[list[Task]]) -> Task:
    first, *others = [{task.name: task for task in tasks} for tasks in tasks_of_runs]
    common = {name: task for name, task in first.items() if all(name in other for other in others)}
    if not common:
        raise UserError("--runs and --student must have a task in common")
    if _TASK.value is None:
        return next(iter(common.values()))
    if _TASK.value not in common:
        raise unknown_name("task of all runs", _TASK.value, common)
    return common[_TASK.value]


def _table(costs: list[Cost], ratios: dict[str, Any]) -> str:
    sizes = list(costs[0].latency)
    rows = [["", "parameters", "GFLOP per sequence", *(f"ms per batch of {size}" for size in sizes)]]
    for cost in costs:
        times = [cost.latency[size] for size in sizes]
        cells = [f"{time.median_ms:.2f} [{time.low_ms:.2f}, {time.high_ms:.2f}]" for time in times]
        rows.append([cost.name, f"{cost.parameters:,}", f"{cost.flops / 1e9:.4g}", *cells])
    shares = [ratios["parameters"], ratios["flops"], *ratios["latency"].values()]
    rows.append(["ratio", *(f"{share:.2f}" for share in shares)])
    return aligned_table(rows)


COMMAND = Command(main, required=("runs", "student"))
