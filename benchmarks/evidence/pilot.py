"""The pilot: chooses settings of the plan by development rows, on seeds that are not in it."""

from __future__ import annotations

import dataclasses
import statistics
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from benchmarks.evidence.block import Predictions, read_predictions, run_trainings
from benchmarks.evidence.measures import ensemble_predictions, scores
from benchmarks.evidence.plan import Plan
from benchmarks.evidence.splits import DEVELOPMENT, write_splits
from benchmarks.evidence.trainings import Block
from mtdnn_tf.json_files import write_checked_json
from mtdnn_tf.report.data import AVERAGE

PILOT = Path(__file__).with_name("pilot.yaml")
JSON = "pilot.json"


def run_pilot(plan: Plan, suite: Path, output: Path, variants: Path = PILOT) -> Path:
    """Runs what is not done of the pilot, and writes the development scores after each variant.

    Args:
        plan: The plan that variants differ from.
        suite: Folder of the suite.
        output: Folder of the pilot.
        variants: YAML file of the variants.

    Returns:
        The file of the scores.
    """
    declared = yaml.safe_load(variants.read_text(encoding="utf-8"))
    found: dict[str, Any] = {}
    for variant in declared["variants"]:
        changed = _changed(dataclasses.replace(plan, ensembles=declared["seeds"]), variant.get("plan", {}))
        folder = output / variant["name"]
        block = Block(
            changed, changed.blocks[0], write_splits(changed, suite, folder / "splits"), folder / "block", tested=False
        )
        members, others = block.members()[: variant["members"]], variant.get("others", [])
        chosen = [*members, *(training for training in block.others() if training.name in others)]
        run_trainings(block, chosen)
        by_name = {training.name: _with_average(block, read_predictions(block, training)) for training in chosen}
        gain = None
        if len(members) > 1:
            by_name["ensemble"] = _with_average(block, ensemble_predictions(block, members))
            mean = statistics.fmean(by_name[member.name][AVERAGE] for member in members)
            gain = by_name["ensemble"][AVERAGE] - mean
        found[variant["name"]] = {
            "plan": variant.get("plan", {}),
            "scores": by_name,
            "ensemble_gain": gain,
        }
        write_checked_json(output / JSON, found)
    return output / JSON


def _with_average(block: Block, predictions: Predictions) -> dict[str, float]:
    """Returns development scores by task, and their mean."""
    by_task = scores(block, predictions, DEVELOPMENT)
    return {**by_task, AVERAGE: statistics.fmean(by_task.values())}


def _changed(plan: Plan, changes: Mapping[str, Any]) -> Plan:
    """Returns a plan with other values, merged into its mappings."""
    merged = {
        name: {**getattr(plan, name), **value} if isinstance(value, Mapping) else value
        for name, value in changes.items()
    }
    return Plan(**{**{field.name: getattr(plan, field.name) for field in dataclasses.fields(plan)}, **merged})
