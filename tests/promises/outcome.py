"""Runs the test of a guarantee and keeps its outcome."""

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
# The page that the table is written to; it does not count as a change of the commit.
PAGE = "docs/reliability.md"
_HOURS = 4


@dataclasses.dataclass(frozen=True)
class Outcome:
    """The outcome of a guarantee's test.

    Attributes:
        name: Name of the guarantee.
        trials: Number of trials.
        failures: Number of failed trials; at least 1 if the command failed or made no trial.
        skipped: Number of tests that this machine could not run.
        seconds: Duration.
        date: Day, such as 2026-11-24.
        commit: Commit that was tested; with a + if there were uncommitted changes.
        quick: Whether it was the quick form.
        problems: A line for each failure.
        notes: Figures that the tests report.
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
    """Returns the current commit, or "unknown" without git."""

    def git(*arguments: str) -> str:
        command = ["git", *arguments]
        return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.strip()

    try:
        changed = git("status", "--porcelain", "--untracked-files=no", "--", ".", f":!{PAGE}")
        return git("rev-parse", "--short", "HEAD") + ("+" if changed else "")
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def commits_since(commit: str, paths: Sequence[str]) -> int | None:
    """Returns how many commits after one have changed some paths; None if it is unknown."""
    command = ["git", "rev-list", "--count", f"{commit}..HEAD", "--", *paths]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    return None if result.returncode else int(result.stdout)


def outcome_file(promise: Promise, folder: Path, quick: bool) -> Path:
    """Returns the path of an outcome. Those of quick forms have names of their own."""
    return folder / f"{promise.name}{'.quick' if quick and promise.has_quick_form else ''}.json"


def read_outcome(path: Path) -> Outcome | None:
    """Returns a kept outcome, or None if there is none."""
    return Outcome(**json.loads(path.read_text(encoding="utf-8"))) if path.is_file() else None


def try_promise(promise: Promise, command: Sequence[str], report: Path, folder: Path, quick: bool) -> Outcome:
    """Runs the command of a test, with a time limit of hours, and keeps its outcome.

    Args:
        promise: The guarantee.
        command: Command of its test.
        report: Path of the report that the command writes.
        folder: Folder of the outcomes, and of the commands' output as NAME.log.
        quick: Whether it is the quick form.
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
    """Returns the error, or None."""
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
            # The command may have child processes.
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
    return f"status {status}, see {log}" if status else None
