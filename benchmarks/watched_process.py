"""Runs a worker of a benchmark in a process of its own and looks at its memory meanwhile."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks.command_line import InputError

_SECONDS_BETWEEN_LOOKS = 0.05


def checkouts(before: Path | None) -> dict[str, Path]:
    """Returns the checkouts to measure: this one as "now", and another as "before" if one is given."""
    if before and not (before / "mtdnn_tf").is_dir():
        raise InputError(f"--before must be a checkout of this project, got {before}")
    return {"now": Path(__file__).resolve().parents[1], **({"before": before.resolve()} if before else {})}


def watched(worker: str, arguments: Mapping[str, Any], checkout: Path) -> dict[str, Any]:
    """Returns what a worker reports in its last line, as JSON, and its largest anonymous memory as `anonymous_kb`.

    Args:
        worker: Name of the worker's file, beside this one.
        arguments: Its flags, by name.
        checkout: The checkout whose package it imports.
    """
    command = [sys.executable, str(Path(__file__).with_name(worker))]
    environment = {**os.environ, "PYTHONPATH": str(checkout), "TF_CPP_MIN_LOG_LEVEL": "2", "CUDA_VISIBLE_DEVICES": ""}
    process = subprocess.Popen(
        [*command, *(f"--{name}={value}" for name, value in arguments.items())],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    largest = 0
    while process.poll() is None:
        largest = max(largest, _anonymous_kb(process.pid))
        time.sleep(_SECONDS_BETWEEN_LOOKS)
    output, errors = process.communicate()
    if process.returncode:
        raise InputError(f"the worker ended with status {process.returncode}: {errors.strip().splitlines()[-1:]}")
    found: dict[str, Any] = json.loads(output.splitlines()[-1])
    return {**found, "anonymous_kb": largest}


def _anonymous_kb(pid: int) -> int:
    """Returns the anonymous memory of a process: what no file holds."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text(encoding="utf-8").splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith("RssAnon:")), 0)
