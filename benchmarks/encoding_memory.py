"""Measures memory and speed of encoding by the number of rows, in a process per measurement.

python -m benchmarks.encoding_memory --output=FOLDER [--rows=1000000,10000000] [--before=CHECKOUT] [--rounds=1]

Writes files of short texts to the folder, one with a column of ids, one whose ids are hashes and of which a tenth
repeats the text of another row, and prints a table. With `--before`, each measurement is made with another checkout,
too, in turn.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.command_line import InputError, run

_TEXT = (
    "the a of order parcel coat dress shop refund card paid twice late never arrived please when does my where is "
    "thanks great bad small large blue red box open broken return store customer service answer phone mail today week"
)
_WORDS = _TEXT.split()
_PIECES = [f"##{letter}" for letter in "abcdefghijklmnopqrstuvwxyz0123456789"]
_VOCABULARY = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *_WORDS[::2], *(piece[2:] for piece in _PIECES), *_PIECES]
_WARM_UP_ROWS = 2000
_SECONDS_BETWEEN_LOOKS = 0.05


def main() -> None:
    """Measures each number of rows, with ids of a column and with hashes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, required=True, help="folder of the data and the encoded splits")
    parser.add_argument("--rows", default="1000000,10000000", help="numbers of rows, comma-separated")
    parser.add_argument("--ids", default="column,hash", help="column, hash, or both")
    parser.add_argument("--before", type=Path, help="another checkout to measure in turn")
    parser.add_argument("--rounds", type=int, default=1)
    flags = parser.parse_args()
    if flags.before and not (flags.before / "mtdnn_tf").is_dir():
        raise InputError(f"--before must be a checkout of this project, got {flags.before}")
    checkouts = {"now": Path(__file__).resolve().parents[1], **({"before": flags.before} if flags.before else {})}
    flags.output.mkdir(parents=True, exist_ok=True)
    (flags.output / "vocabulary.txt").write_text("".join(f"{piece}\n" for piece in _VOCABULARY), encoding="utf-8")
    _write_rows(flags.output / "warm_up.tsv", _WARM_UP_ROWS)
    print(f"cores: {len(os.sched_getaffinity(0))}, rounds: {flags.rounds}\n")
    print("| rows | ids | code | rows/s | processor time per row, µs | peak memory, MB | of it anonymous, MB |")
    print("|---:|---|---|---:|---:|---:|---:|")
    for rows in map(int, flags.rows.split(",")):
        _write_rows(flags.output / f"{rows}.tsv", rows)
        for ids in flags.ids.split(","):
            found: dict[str, list[dict[str, Any]]] = {name: [] for name in checkouts}
            for _ in range(flags.rounds):
                for name, checkout in checkouts.items():
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


def _write_rows(path: Path, rows: int) -> None:
    """Writes ids, labels and texts; ids are in no order, and a tenth of the texts repeats another."""
    if path.exists():
        return
    temporary = path.with_suffix(".part")
    with temporary.open("w", encoding="utf-8") as file:
        file.write("id\tlabel\ttext\n")
        file.writelines(_rows(rows))
    temporary.rename(path)


def _rows(rows: int) -> Iterator[str]:
    generator = random.Random(0)
    sentences = [" ".join(generator.choices(_WORDS, k=generator.randint(3, 12))) for _ in range(997)]
    different = max(1, rows * 9 // 10)
    for row in range(rows):
        # An odd factor gives each number below 2^32 another one.
        number = row * 2654435761 % 2**32
        text = row % different
        yield f"{number:08x}\t{'good' if row % 3 else 'bad'}\t{sentences[text % 997]} {text}\n"


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
    worker = [sys.executable, str(Path(__file__).with_name("encoding_worker.py"))]
    environment = {**os.environ, "PYTHONPATH": str(checkout), "TF_CPP_MIN_LOG_LEVEL": "2", "CUDA_VISIBLE_DEVICES": ""}
    process = subprocess.Popen(
        [*worker, *(f"--{name}={value}" for name, value in given.items())],
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
    shutil.rmtree(cache, ignore_errors=True)
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


if __name__ == "__main__":
    run(main)
