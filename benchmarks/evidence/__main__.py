"""Runs the study of docs/evidence_plan.md, and reports it.

python -m benchmarks.evidence pilot --suite_dir=SUITE --output_dir=FOLDER
python -m benchmarks.evidence run --suite_dir=SUITE --output_dir=FOLDER --blocks=ensemble_1,ensemble_2
python -m benchmarks.evidence report --results_dir=docs/evidence --figures_dir=docs/images

`run` continues what was interrupted, and writes BLOCK.json into the output folder when a block is done; `report` reads
these files of all blocks, and pilot.json.
"""

from __future__ import annotations

import argparse
import logging
import sys
from pathlib import Path

from benchmarks.command_line import InputError, run
from benchmarks.evidence.comparisons import Study
from benchmarks.evidence.pilot import JSON, run_pilot
from benchmarks.evidence.plan import PLAN, Plan, read_plan
from benchmarks.evidence.report import report, write_figures
from benchmarks.evidence.results import read_results, run_block
from mtdnn_tf.errors import UserError
from mtdnn_tf.interruption import Interrupted, install_handlers
from mtdnn_tf.json_files import read_checked_json
from mtdnn_tf.parallelism import use_single_threaded_ops


def main() -> None:
    """Runs a command."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    parser.add_argument("--plan", type=Path, default=PLAN, help="the plan, plan.yaml if not given")
    commands = parser.add_subparsers(dest="command", required=True)
    for name in ("pilot", "run"):
        command = commands.add_parser(name)
        command.add_argument("--suite_dir", type=Path, required=True, help="folder of the suite of tasks")
        command.add_argument("--output_dir", type=Path, required=True, help="folder of the trainings")
    commands.choices["run"].add_argument("--blocks", help="comma-separated blocks to run; all if not given")
    command = commands.add_parser("report")
    command.add_argument("--results_dir", type=Path, required=True, help="folder of BLOCK.json and pilot.json")
    command.add_argument("--figures_dir", type=Path, help="folder of the figures; none are drawn if not given")
    flags = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", stream=sys.stderr)
    try:
        _run(flags, read_plan(flags.plan))
    except UserError as error:
        raise InputError(str(error)) from None
    except Interrupted as stop:
        print(stop, file=sys.stderr)
        sys.exit(stop.exit_status)


def _run(flags: argparse.Namespace, plan: Plan) -> None:
    if flags.command == "report":
        study, pilot = Study(plan, read_results(flags.results_dir, plan)), flags.results_dir / JSON
        print(report(study, read_checked_json(pilot, "restore it") if pilot.is_file() else None), end="")
        if flags.figures_dir is not None:
            write_figures(study, flags.figures_dir)
        return
    blocks = plan.blocks
    if flags.command == "run" and flags.blocks is not None:
        blocks = flags.blocks.split(",")
        if not set(blocks) <= set(plan.blocks):
            raise InputError(f"--blocks must be of {', '.join(plan.blocks)}, got {flags.blocks}")
    install_handlers()
    use_single_threaded_ops()
    if flags.command == "pilot":
        print(run_pilot(plan, flags.suite_dir, flags.output_dir))
        return
    for block in blocks:
        print(run_block(plan, block, flags.suite_dir, flags.output_dir))


if __name__ == "__main__":
    run(main)
