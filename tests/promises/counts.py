"""How many trials a command made, and how many failed, from what it wrote."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple
from xml.etree import ElementTree


class Counts(NamedTuple):
    """What a command counted.

    Attributes:
        trials: Trials that were made.
        failures: Those that failed.
        skipped: Tests that this machine could not run.
        failed: A name or line for each failure that tells one.
        notes: What tests tell of their figures.
    """

    trials: int
    failures: int
    skipped: int = 0
    failed: Sequence[str] = ()
    notes: Sequence[str] = ()


def read_counts(report: Path) -> Counts:
    """Reads the report of a command.

    A test is one trial, or as many as it records by `record_property("trials", n)`, all together. One that is skipped
    is none.

    Args:
        report: JUnit's XML from pytest, or JSON from `kill_trials`.

    Raises:
        ValueError: It is missing, or is not whole.
    """
    try:
        content = report.read_text(encoding="utf-8")
        return _of_kills(content) if content.startswith("{") else _of_tests(content)
    except (OSError, ElementTree.ParseError, KeyError) as error:
        raise ValueError(f"no report of trials ({error})") from error


def _of_kills(content: str) -> Counts:
    values = json.loads(content)
    # A run that was not compared in the end proves nothing of the processes that were ended.
    trials = values["trials"] if values["compared"] else 0
    return Counts(trials, len(values["failures"]), failed=values["failures"], notes=[values["note"]])


def _of_tests(content: str) -> Counts:
    trials, skipped, failed, notes = 0, 0, [], []
    for test in ElementTree.fromstring(content).iter("testcase"):
        recorded = [(str(item.get("name")), str(item.get("value"))) for item in test.iter("property")]
        counts = [int(value) for name, value in recorded if name == "trials"]
        notes += [value for name, value in recorded if name == "note"]
        if test.find("skipped") is not None:
            skipped += 1
            continue
        error = test.find("error")
        if error is not None and error.get("message") == "collection failure":
            counts = [0]
        if test.find("failure") is not None or error is not None:
            name = f"{test.get('classname')}::{test.get('name')}".strip(":")
            failed.append(f"{name or 'a file'}: not collected" if counts == [0] and error is not None else name)
        trials += sum(counts) if counts else 1
    return Counts(trials, len(failed), skipped, failed, notes)
