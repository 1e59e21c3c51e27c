"""Runs the quickstart's job with several seeds and reports whether it shows what it must.

    python -m benchmarks.quickstart --seeds=10 --output_dir=runs/quickstart_seeds

Each seed has a corpus of its own and models of its own. What is done is not done again.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

from benchmarks.command_line import InputError, run
from mtdnn_tf.evaluation.measures.average import average
from mtdnn_tf.json_files import write_json

PRESET = Path("flags/presets/demo.flags")


class Outcome(NamedTuple):
    """What one seed gave; scores x 100."""

    seed: int
    seconds: float
    teachers: list[float]
    ensemble: float
    multi_task: float
    student: float
    tasks: dict[str, float]
    right: int
    asked: int


def main() -> None:
    """Runs the seeds and prints the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=10, help="number of seeds, from --first_seed on")
    parser.add_argument("--first_seed", type=int, default=0)
    parser.add_argument("--output_dir", type=Path, required=True)
    arguments = parser.parse_args()
    if arguments.seeds < 1 or arguments.first_seed < 0:
        raise InputError(
            f"--seeds must be >= 1 and --first_seed >= 0, got {arguments.seeds} and {arguments.first_seed}"
        )
    outcomes = []
    for seed in range(arguments.first_seed, arguments.first_seed + arguments.seeds):
        outcomes.append(_outcome(seed, arguments.output_dir / f"seed_{seed}"))
        print(_row(outcomes[-1]), flush=True)
    print(summary(outcomes))


def _outcome(seed: int, folder: Path) -> Outcome:
    kept = folder / "outcome.json"
    if kept.is_file():
        return Outcome(**json.loads(kept.read_text(encoding="utf-8")))
    folder.mkdir(parents=True, exist_ok=True)
    settings = [line for line in PRESET.read_text(encoding="utf-8").splitlines() if not line.startswith("--task_file")]
    flagfile = folder / "demo.flags"
    flagfile.write_text("\n".join([*settings, f"--task_file={folder}/corpus/tasks.yaml", ""]), encoding="utf-8")
    started = time.monotonic()
    _run("demo_corpus", f"--output_dir={folder}/corpus", f"--seed={seed}")
    own = [f"--cache_dir={folder}/cache", f"--output_dir={folder}/recipe", f"--seed={seed}"]
    _run("recipe", f"--flagfile={flagfile}", *own)
    answers = _run("demo_answers", f"--model={folder}/recipe/export/1").splitlines()
    seconds = time.monotonic() - started
    models = json.loads((folder / "recipe" / "results.json").read_text(encoding="utf-8"))["models"]
    scores = {model["name"]: 100 * _score(model["runs"][0]["metrics"]) for model in models}
    of_role = {model["role"]: scores[model["name"]] for model in models}
    student = next(model for model in models if model["role"] == "student")["runs"][0]["metrics"]
    right, asked = (int(word) for word in answers[-1].replace(" right", "").split(" of "))
    outcome = Outcome(
        seed,
        round(seconds, 1),
        [scores[model["name"]] for model in models if model["role"] == "teacher"],
        of_role["ensemble"],
        of_role["multi-task"],
        of_role["student"],
        {task: 100 * statistics.fmean(metrics.values()) for task, metrics in student.items()},
        right,
        asked,
    )
    write_json(kept, outcome._asdict())
    return outcome


def _run(tool: str, *flags: str) -> str:
    command = [sys.executable, "-m", f"tools.{tool}", *flags]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        raise InputError(f"tools.{tool} ended with status {done.returncode}")
    return done.stdout


def _score(metrics: dict[str, dict[str, float]]) -> float:
    found = average(metrics)
    if found is None:
        raise InputError("results.json has no task to average")
    return found.score


def _row(outcome: Outcome) -> str:
    tasks = ", ".join(f"{name} {score:.1f}" for name, score in outcome.tasks.items())
    return (
        f"seed {outcome.seed}: {outcome.seconds / 60:.1f} min; teachers {statistics.fmean(outcome.teachers):.1f}, "
        f"ensemble {outcome.ensemble:.1f}, multi-task {outcome.multi_task:.1f}, student {outcome.student:.1f} "
        f"({tasks}); {outcome.right} of {outcome.asked} answers right"
    )


def summary(outcomes: list[Outcome]) -> str:
    """Returns, line by line, what must hold and in how many seeds it does."""
    n = len(outcomes)
    gains = [outcome.student - outcome.multi_task for outcome in outcomes]
    lowest = min(min(outcome.multi_task, outcome.student) for outcome in outcomes)
    least_task = min(score for outcome in outcomes for score in outcome.tasks.values())
    ensembles = sum(outcome.ensemble > statistics.fmean(outcome.teachers) for outcome in outcomes)
    deviation = f", standard deviation {statistics.stdev(gains):.1f}" if n > 1 else ""
    return "\n".join(
        [
            f"(a) lowest average of multi-task model or student: {lowest:.1f}; student's lowest task: {least_task:.1f}",
            f"(b) ensemble above the mean of its members: {ensembles} of {n}",
            f"(c) student above multi-task model: {sum(gain > 0 for gain in gains)} of {n}, "
            f"by {statistics.fmean(gains):.1f} points in the mean{deviation}",
            f"(d) all answers right: {sum(outcome.right == outcome.asked for outcome in outcomes)} of {n}",
            f"minutes: {', '.join(f'{outcome.seconds / 60:.1f}' for outcome in outcomes)}",
        ]
    )


if __name__ == "__main__":
    run(main)
