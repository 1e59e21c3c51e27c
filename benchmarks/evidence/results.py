"""The results of a block as one small JSON file: everything that the report needs."""

from __future__ import annotations

import dataclasses
import platform
import subprocess
from pathlib import Path
from typing import Any

import tensorflow as tf

from benchmarks.evidence.block import read_predictions, read_seconds, run_trainings
from benchmarks.evidence.measures import ensemble_predictions, measure
from benchmarks.evidence.plan import Plan
from benchmarks.evidence.splits import write_splits
from benchmarks.evidence.trainings import ENSEMBLE, MULTI_TASK, Block, Training
from mtdnn_tf.errors import UserError
from mtdnn_tf.evaluation.measures.cost import compare_costs
from mtdnn_tf.json_files import fingerprint, read_checked_json, to_json, write_checked_json
from mtdnn_tf.locks import locked_folder
from mtdnn_tf.modeling.checkpoints.backbones import find_backbone
from mtdnn_tf.modeling.checkpoints.pretrained import select_layers, with_pooling
from mtdnn_tf.modeling.heads import choose_heads
from mtdnn_tf.modeling.multi_task_model import MultiTaskModel, build_multi_task_model
from mtdnn_tf.modeling.narrowing import narrow

_REMEDY = "restore it from version control, or run its block again"
_BATCH_SIZES = (1, 32)


def results_file(folder: Path, block: str) -> Path:
    """Returns the file of a block's results."""
    return folder / f"{block}.json"


def plan_fingerprint(plan: Plan) -> str:
    """Returns a hash of everything that the plan decides."""
    return fingerprint(dataclasses.asdict(plan))


def run_block(plan: Plan, name: str, suite: Path, output: Path) -> Path:
    """Runs what is not done of a block; measures and writes its results, once, when all of it is.

    Args:
        plan: The plan.
        name: The name of the block.
        suite: Folder of the suite.
        output: Folder of all blocks and of their results.

    Returns:
        The file of the results.
    """
    path = results_file(output, name)
    with locked_folder(output / name, f"`output_dir` {output / name}"):
        if not path.is_file():
            task_file = write_splits(plan, suite, output / "splits")
            block = Block(plan, name, task_file, output / name)
            run_trainings(block, [*block.members(), *block.others()])
            write_checked_json(path, _results(block))
    return path


def read_results(folder: Path, plan: Plan) -> list[dict[str, Any]]:
    """Returns the results of all planned blocks, in their order.

    Raises:
        UserError: A block is missing, damaged or of another plan.
    """
    paths = [results_file(folder, name) for name in plan.blocks]
    missing = [path.name for path in paths if not path.is_file()]
    if missing:
        raise UserError(f"{folder}: {', '.join(missing)} is missing; test results are read when every block is done")
    results = [read_checked_json(path, _REMEDY) for path in paths]
    for path, result in zip(paths, results):
        if result["plan_sha256"] != plan_fingerprint(plan):
            raise UserError(f"{path}: results of another plan")
    return results


def _results(block: Block) -> dict[str, Any]:
    members, teacher, models = block.members(), None, []
    if members:
        teacher = ensemble_predictions(block, members)
        models.append({"arm": ENSEMBLE, "seed": block.ensemble, "results": measure(block, teacher)})
    for training in [*members, *block.others()]:
        predictions = read_predictions(block, training)
        # A member is part of the ensemble, and an adapted model answers another task.
        follows = training.arm in block.plan.students
        measured = measure(block, predictions, teacher if follows else None)
        models.append({"arm": training.arm, "seed": training.seed, "results": measured})
    return {
        "plan_sha256": plan_fingerprint(block.plan),
        "commit": _commit(),
        "python": platform.python_version(),
        "tensorflow": tf.__version__,
        "models": models,
        "cost": _cost(block) if members else [],
        "seconds": read_seconds(block),
    }


def _cost(block: Block) -> list[dict[str, Any]]:
    """Returns what answering one task costs: the ensemble, a multi-task model, each student; weights do not matter."""
    tf.keras.backend.clear_session()
    members, task = block.members(), block.base.data.selected_tasks()[0]
    by_arm = {training.arm: training for training in reversed(block.others()) if training.arm in block.plan.students}
    models = [_untrained(member) for member in members]
    candidates = {ENSEMBLE: models, MULTI_TASK: models[:1]}
    candidates.update({arm: [_untrained(training)] for arm, training in by_arm.items()})
    costs = compare_costs(candidates, task, block.base.data.max_sequence_length, _BATCH_SIZES)
    return [to_json(cost) for cost in costs]


def _untrained(training: Training) -> MultiTaskModel:
    encoder = training.settings.encoder
    pretrained = with_pooling(find_backbone(encoder.initial), encoder.pooling)
    if encoder.student_layers is not None:
        pretrained = select_layers(pretrained, encoder.student_layers)
    if encoder.student_dim is not None:
        pretrained = narrow(dataclasses.replace(pretrained, weights={}), encoder.student_dim, ())
    tasks = training.settings.data.selected_tasks()
    return build_multi_task_model(pretrained, choose_heads(tasks, {}, encoder.pair_head))


def _commit() -> str:
    command = ["git", "describe", "--always", "--dirty", "--abbrev=12"]
    found = subprocess.run(command, cwd=Path(__file__).parent, capture_output=True, text=True, check=False)
    return found.stdout.strip()
