"""Runs a recipe, stage after stage, or says what running it would take."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from mtdnn_tf.errors import UserError
from mtdnn_tf.evaluation.results_table import text_table
from mtdnn_tf.files import write_text
from mtdnn_tf.interruption import stop_if_asked
from mtdnn_tf.json_files import read_checked_json, read_json, to_json, write_checked_json
from mtdnn_tf.locks import locked_folder, remove_leftovers
from mtdnn_tf.manifests import MANIFEST, read_manifest
from mtdnn_tf.modeling.checkpoints.backbones import find_backbone
from mtdnn_tf.modeling.checkpoints.model_folder import load_model
from mtdnn_tf.recipe.config import RecipeConfig, check_recipe
from mtdnn_tf.recipe.predictions import ComparedPredictions
from mtdnn_tf.recipe.report import gains, report_data
from mtdnn_tf.recipe.results import collect_results, models_json, runs_by_model
from mtdnn_tf.recipe.run_names import seed_stage
from mtdnn_tf.recipe.stages import Stage, all_stages
from mtdnn_tf.report import roles
from mtdnn_tf.report.data import Model, ReportData
from mtdnn_tf.report.write import DATA, PAGE, check_folder, write_report
from mtdnn_tf.serving.export import export_model
from mtdnn_tf.text_tables import aligned_table

# What differs between two runs of the same recipe stands here alone.
SECONDS = "logs/seconds.json"
_REPORT = "report"
_log = logging.getLogger("absl")


class RecipeOutcome(NamedTuple):
    """The results of a recipe: scores of every model, what they say in sentences, and the report's page."""

    results: list[Model]
    finding: Sequence[str]
    page: Path

    def to_text(self) -> str:
        """Returns the table of scores, the finding, and the page's address as a link that terminals open."""
        table = text_table(runs_by_model(self.results))
        lines = "".join(f"{line}\n" for line in self.finding)
        return f"Development scores x 100\n{table}\n{lines}Report: {self.page.absolute().as_uri()}\n"


def run_recipe(config: RecipeConfig) -> RecipeOutcome:
    """Runs every stage that is not done, then evaluates, reports and exports.

    Raises:
        UserError: Something given is not accepted, or a stage's folder holds a stage of other settings; or another
            process runs a recipe there.
    """
    folder = config.base.output_dir
    with locked_folder(folder, f"`output_dir` {folder}", [Path(SECONDS).parent.name]):
        check_recipe(config)
        check_folder(config.stage_folder(_REPORT))
        stages = all_stages(config)
        for number, stage in enumerate(stages, start=1):
            stop_if_asked()
            if stage.is_done():
                stage.check()
            else:
                _log.info("%s: stage %d of %d: %s", config.stage_folder(stage.name), number, len(stages), stage.what)
                _run_timed(config, stage)
        predictions = ComparedPredictions(config)
        results = collect_results(config, predictions)
        content = {"models": models_json(results), "gains": to_json(gains(config, results))}
        write_checked_json(config.stage_folder("results.json"), content)
        table = text_table(runs_by_model(results), show_metrics=True, markdown=True)
        write_text(config.stage_folder("results.md"), table)
        data = report_data(config, results, predictions)
        _report(config, data)
        _export(config)
    return RecipeOutcome(results, data.finding, config.stage_folder(_REPORT) / PAGE)


def plan(config: RecipeConfig) -> str:
    """Returns a table of the stages, their training steps, and which of them are done.

    Encodes the training data, whose number of rows decides the number of steps, and writes nothing else.
    """
    check_recipe(config)
    tokenizer = find_backbone(config.base.encoder.backbone).tokenizer()
    rows, steps, left = [("stage", "training steps", "")], 0, 0
    for stage in all_stages(config):
        count, is_done = stage.steps(tokenizer), stage.is_done()
        rows.append((f"{stage.name}: {stage.what}", str(count or "-"), "done" if is_done else ""))
        steps += count
        left += 0 if is_done else count
    return aligned_table([*rows, ("all", str(steps), f"{left} to do")])


def _run_timed(config: RecipeConfig, stage: Stage) -> None:
    """Runs a stage and adds the time it took to what earlier processes needed for it."""
    started = time.monotonic()
    stage.run()
    path = config.stage_folder(SECONDS)
    seconds = read_checked_json(path, "delete it") if path.is_file() else {}
    seconds[stage.name] = round(seconds.get(stage.name, 0.0) + time.monotonic() - started, 1)
    write_checked_json(path, seconds)


def _report(config: RecipeConfig, data: ReportData) -> None:
    """Writes the report, unless it stands as it would be written: drawing takes a while."""
    folder = config.stage_folder(_REPORT)
    if (folder / MANIFEST).is_file():
        try:
            read_manifest(folder, "it is written again")
            if read_json(folder / DATA) == data.to_json():
                return
        except UserError as error:
            _log.warning("%s", error)
    remove_leftovers(folder)
    write_report(data, folder)


def _export(config: RecipeConfig) -> None:
    """Writes the SavedModel of the first seed's student, whichever seed is the best."""
    version = config.stage_folder("export") / "1"
    if version.exists():
        if (version / MANIFEST).is_file():  # Version 0.1 wrote none.
            read_manifest(version, "delete it and run mtdnn recipe again")
        return
    export_model(load_model(config.stage_folder(seed_stage(roles.STUDENT, config.all_seeds[0]))), version)
    _log.info("%s: SavedModel written", version)
