"""Measures how long a training takes from its start to the end of its first step, and its memory, by number of rows.

python -m benchmarks.training_start --output=FOLDER [--rows=1000000,10000000] [--before=CHECKOUT] [--rounds=1]

Writes files of short texts to the folder and encodes each into a cache there, once. Then a process per measurement
trains a tiny encoder of 2 layers and stops after the first step. With `--before`, each measurement is made with another
checkout, too, in turn, from the same cache.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any

from benchmarks.command_line import run
from benchmarks.made_up_rows import MAX_LENGTH, write_encoder, write_rows, write_task
from benchmarks.watched_process import checkouts, watched

_HERE = Path(__file__).resolve().parents[1]


def main() -> None:
    """Measures each number of rows."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, required=True, help="folder of the data, the cache and the runs")
    parser.add_argument("--rows", default="1000000,10000000", help="numbers of rows, comma-separated")
    parser.add_argument("--before", type=Path, help="another checkout to measure in turn")
    parser.add_argument("--rounds", type=int, default=1)
    flags = parser.parse_args()
    measured = checkouts(flags.before)
    folder = flags.output.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    write_encoder(folder)
    print(f"cores: {len(os.sched_getaffinity(0))}, rounds: {flags.rounds}\n")
    print(
        "| rows | code | seconds to the first step's end | processor time, s | peak memory, MB | of it anonymous, MB |"
    )
    print("|---:|---|---:|---:|---:|---:|")
    for rows in map(int, flags.rows.split(",")):
        _prepare(folder, rows)
        found: dict[str, list[dict[str, Any]]] = {name: [] for name in measured}
        for _ in range(flags.rounds):
            for name, checkout in measured.items():
                found[name].append(_measured(folder, rows, checkout))
        for name, of_code in found.items():
            print(_line(rows, name, of_code), flush=True)


def _prepare(folder: Path, rows: int) -> None:
    """Writes the rows and encodes them, unless they are in the cache."""
    write_rows(folder / f"{rows}.tsv", rows)
    write_task(folder, str(rows), f"{rows}.tsv")
    given = {name: value for name, value in _settings(folder, rows).items() if name != "output_dir"}
    encode = [sys.executable, "-m", "tools.encode", *(f"--{name}={value}" for name, value in given.items())]
    subprocess.run(encode, cwd=_HERE, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def _settings(folder: Path, rows: int) -> dict[str, Any]:
    return {
        "task_file": folder / f"{rows}.yaml",
        "backbone": f"config:{folder / 'config.json'}",
        "max_sequence_length": MAX_LENGTH,
        "cache_dir": folder / "cache",
        "output_dir": folder / "run",
    }


def _measured(folder: Path, rows: int, checkout: Path) -> dict[str, Any]:
    settings = _settings(folder, rows)
    shutil.rmtree(settings["output_dir"], ignore_errors=True)
    found = watched("training_start_worker.py", settings, checkout)
    shutil.rmtree(settings["output_dir"], ignore_errors=True)
    return found


def _line(rows: int, name: str, found: list[dict[str, Any]]) -> str:
    seconds, processor = (statistics.median(one[key] for one in found) for key in ("seconds", "processor_seconds"))
    peak, anonymous = (max(one[key] for one in found) / 1024 for key in ("peak_kb", "anonymous_kb"))
    return f"| {rows:,} | {name} | {seconds:.1f} | {processor:.1f} | {peak:,.0f} | {anonymous:,.0f} |"


if __name__ == "__main__":
    run(main)
