"""Tries a promise, and keeps what came of it."""

from __future__ import annotations

import dataclasses
import datetime
import json
import os
import signal
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

from mtdnn_tf.files import write_text
from tests.promises.catalogue import Promise
from tests.promises.counts import Counts, read_counts

ROOT = Path(__file__).parents[2]
# The page that the table is written into changes with every table.
PAGE = "docs/reliability.md"
_HOURS = 4


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What came of a promise's trials.

    Attributes:
        name: The promise's.
        trials: Trials that were made.
        failures: Those that failed; at least 1 if the command failed or made no trial.
        skipped: Tests that this machine could not run.
        seconds: How long they took.
        date: The day, as 2026-11-24.
        commit: The commit that was tried; with a + if files had been changed since.
        quick: Whether it was the shorter form.
        problems: A line for each failure.
        notes: What tests tell of their figures.
    """

    name: str
    trials: int
    failures: int
    skipped: int
    seconds: float
    date: str
    commit: str
    quick: bool
    problems: Sequence[str]
    notes: Sequence[str]


def current_commit() -> str:
    """Returns the commit that is tried, "unknown" without git."""

    def git(*arguments: str) -> str:
        command = ["git", *arguments]
        return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.strip()

    try:
        changed = git("status", "--porcelain", "--untracked-files=no", "--", ".", f":!{PAGE}")
        return git("rev-parse", "--short", "HEAD") + ("+" if changed else "")
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def outcome_file(promise: Promise, folder: Path, quick: bool) -> Path:
    """Returns where a promise's outcome is kept; those of another, quick form beside the others."""
    return folder / f"{promise.name}{'.quick' if quick and promise.has_quick_form else ''}.json"


def read_outcome(path: Path) -> Outcome | None:
    """Returns a kept outcome, None where there is none."""
    return Outcome(**json.loads(path.read_text(encoding="utf-8"))) if path.is_file() else None


def try_promise(promise: Promise, command: Sequence[str], report: Path, folder: Path, quick: bool) -> Outcome:
    """Runs a promise's command to its end, or for hours, and keeps its outcome.

    Args:
        promise: The promise.
        command: Its command.
        report: What the command writes.
        folder: Where outcomes are kept, and beside them what the command printed, as NAME.log.
        quick: Whether it is the shorter form.
    """
    commit, date, started = current_commit(), str(datetime.date.today()), time.monotonic()
    path = outcome_file(promise, folder, quick)
    report.unlink(missing_ok=True)
    problem = _run(command, path.with_suffix(".log"))
    try:
        counts = read_counts(report)
    except ValueError as error:
        counts, problem = Counts(0, 0), f"{error}; {problem or 'status 0'}"
    problems = list(counts.failed)
    if problem is None and not counts.trials:
        problem = "no trial was made"
    if problem is not None and not counts.failures:
        problems.append(problem)
    outcome = Outcome(
        promise.name,
        counts.trials,
        len(problems),
        counts.skipped,
        round(time.monotonic() - started, 1),
        date,
        commit,
        quick and promise.has_quick_form,
        problems,
        list(counts.notes),
    )
    write_text(path, json.dumps(dataclasses.asdict(outcome), indent=1, ensure_ascii=False) + "\n")
    return outcome


def _run(command: Sequence[str], log: Path) -> str | None:
    """Returns what went wrong, if anything did."""
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
    with log.open("w", encoding="utf-8") as file:
        process = subprocess.Popen(
            command, cwd=ROOT, env=environment, stdin=subprocess.DEVNULL, stdout=file, stderr=file,
            start_new_session=True,
        )  # fmt: skip
        try:
            status = process.wait(timeout=_HOURS * 3600)
        except subprocess.TimeoutExpired:
            return f"ended after {_HOURS} hours"
        finally:
            # It may have processes of its own.
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
    return f"status {status}, {log} tells more" if status else None
