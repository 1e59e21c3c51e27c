"""Measures memory and speed of encoding by the number of rows, in a process per measurement.

python -m benchmarks.encoding_memory --output=FOLDER [--rows=1000000,10000000] [--before=CHECKOUT] [--rounds=1]

Writes files of short texts to the folder, one with a column of ids, one whose ids are hashes and of which a tenth
repeats the text of another row, and prints a table. With `--before`, each measurement is made with another checkout,
too, in turn.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
from pathlib import Path
from typing import Any

from benchmarks.command_line import InputError, run
from benchmarks.made_up_rows import write_rows, write_vocabulary
from benchmarks.watched_process import checkouts, watched

_WARM_UP_ROWS = 2000


def main() -> None:
    """Measures each number of rows, with ids of a column and with hashes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, required=True, help="folder of the data and the encoded splits")
    parser.add_argument("--rows", default="1000000,10000000", help="numbers of rows, comma-separated")
    parser.add_argument("--ids", default="column,hash", help="column, hash, or both")
    parser.add_argument("--before", type=Path, help="another checkout to measure in turn")
    parser.add_argument("--rounds", type=int, default=1)
    flags = parser.parse_args()
    measured = checkouts(flags.before)
    flags.output.mkdir(parents=True, exist_ok=True)
    write_vocabulary(flags.output / "vocabulary.txt")
    write_rows(flags.output / "warm_up.tsv", _WARM_UP_ROWS)
    print(f"cores: {len(os.sched_getaffinity(0))}, rounds: {flags.rounds}\n")
    print("| rows | ids | code | rows/s | processor time per row, µs | peak memory, MB | of it anonymous, MB |")
    print("|---:|---|---|---:|---:|---:|---:|")
    for rows in map(int, flags.rows.split(",")):
        write_rows(flags.output / f"{rows}.tsv", rows)
        for ids in flags.ids.split(","):
            found: dict[str, list[dict[str, Any]]] = {name: [] for name in measured}
            for _ in range(flags.rounds):
                for name, checkout in measured.items():
                    found[name].append(_measured(flags.output, rows, ids, checkout))
            if len({(one["fingerprint"], one["tokens"]) for of_code in found.values() for one in of_code}) > 1:
                raise InputError(f"{rows} rows, ids by {ids}: the checkouts encode differently")
            for name, of_code in found.items():
                print(_line(rows, ids, name, of_code), flush=True)


def _line(rows: int, ids: str, name: str, found: list[dict[str, Any]]) -> str:
    speed = statistics.median(rows / one["seconds"] for one in found)
    peak, anonymous = (max(one[key] for one in found) / 1024 for key in ("peak_kb", "anonymous_kb"))
    processor = 1e6 * statistics.median(one["processor_seconds"] for one in found) / rows
    return f"| {rows:,} | {ids} | {name} | {speed:,.0f} | {processor:.1f} | {peak:,.0f} | {anonymous:,.0f} |"


def _measured(folder: Path, rows: int, ids: str, checkout: Path) -> dict[str, Any]:
    """Returns what a process reports that encodes a file, and the largest anonymous memory that it was seen with."""
    cache = folder / "cache"
    shutil.rmtree(cache, ignore_errors=True)
    given = {
        "data": folder,
        "cache": cache,
        "file": f"{rows}.tsv",
        "warm_up": "warm_up.tsv",
        "vocabulary": folder / "vocabulary.txt",
        "id": "id" if ids == "column" else ids,
    }
    found = watched("encoding_worker.py", given, checkout)
    shutil.rmtree(cache, ignore_errors=True)
    return found


if __name__ == "__main__":
    run(main)
