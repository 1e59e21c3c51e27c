"""Compares the speed of this checkout with that of another one, in turn.

python -m benchmarks.versions --other=CHECKOUT --glue=FOLDER --encoder=demo --output=FOLDER

Prints one row per measurement: the ratio of the other checkout's time to this one's (above 1: this one is faster). Both
run on the Python that runs the command.
"""

from __future__ import annotations

import argparse
import statistics
import sys
from collections.abc import Callable
from pathlib import Path

from benchmarks.command_line import InputError, run
from benchmarks.latencies import MAX_LENGTH, TASKS
from benchmarks.ratios import ratio_of
from benchmarks.worker import Worker

_STEPS = 20
_BATCH_SIZE = 32


class _Side:
    """The workers of one checkout."""

    def __init__(self, checkout: Path, flags: argparse.Namespace, output: Path) -> None:
        output.mkdir(parents=True, exist_ok=True)
        encoder, tasks = f"--encoder={flags.encoder}", f"--tasks={','.join(TASKS)}"
        common = [encoder, tasks, f"--output={output}", f"--max_length={MAX_LENGTH}"]
        training = [f"--glue={flags.glue.resolve()}", f"--rows={flags.rows}", *common]
        self._product = Worker(sys.executable, "benchmarks.product_worker", training, checkout)
        self._product("write_rows", path=str(output / "rows.json"))  # The rows that `encode` reads.
        self._answers = Worker(sys.executable, "benchmarks.answer_worker", common, checkout)

    def train(self, round_number: int) -> float:
        result = self._product("train", start=round_number * _STEPS, steps=_STEPS, batch_size=_BATCH_SIZE)
        return float(result["seconds"] / result["tokens"])

    def distil(self, round_number: int) -> float:
        shape = {"kind": "all", "length": 64, "batch_size": _BATCH_SIZE, "steps": 6}
        return float(self._product("fixed", soft=True, **shape)["seconds"])

    def encode(self, round_number: int) -> float:
        result = self._product("encode")
        return float(result["seconds"] / result["rows"])

    def score(self, round_number: int) -> float:
        result = self._product("score", task="mrpc", rows=500, batch_size=64)
        return float(result["seconds"] / result["rows"])

    def answer(self, batch_size: int, length: int) -> float:
        shape = {"batch_size": batch_size, "length": length, "repeats": 15 if batch_size == 1 else 5}
        return float(statistics.median(self._answers("answer", engine="saved_model", **shape)))

    def close(self) -> None:
        self._product.close()
        self._answers.close()


_MEASURES: dict[str, Callable[[_Side, int], float]] = {
    "training, per token": _Side.train,
    "training with soft targets, length 64, per step": _Side.distil,
    "encoding, per row": _Side.encode,
    "scoring, per row": _Side.score,
    "SavedModel, batch 1, length 32": lambda side, _: side.answer(1, 32),
    "SavedModel, batch 32, length 64": lambda side, _: side.answer(32, 64),
}


def main() -> None:
    """Prints the ratios."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--other", type=Path, required=True, help="checkout of another commit")
    parser.add_argument("--glue", type=Path, required=True, help="folder of GLUE's files")
    parser.add_argument("--encoder", default="demo", help="Hugging Face folder of a BERT, or demo")
    parser.add_argument("--output", type=Path, required=True, help="folder for the caches of both")
    parser.add_argument("--rows", type=int, default=2000, help="training rows per task")
    parser.add_argument("--rounds", type=int, default=5)
    flags = parser.parse_args()
    if not (flags.other / "benchmarks" / "product_worker.py").is_file():
        raise InputError(f"--other must be a checkout of this project, got {flags.other}")
    here = Path(__file__).resolve().parents[1]
    sides = [
        _Side(checkout, flags, flags.output.resolve() / name)
        for name, checkout in (("this", here), ("other", flags.other))
    ]
    try:
        print("| other / this | median | minimum | maximum |\n|---|---:|---:|---:|")
        for what, measure in _MEASURES.items():
            values: list[list[float]] = [[], []]
            for number in range(flags.rounds + 1):
                for i in (0, 1) if number % 2 else (1, 0):
                    seconds = measure(sides[i], number)
                    if number:  # The first round warms up.
                        values[i].append(seconds)
            row = ratio_of(what, values[1], values[0])
            print(f"| {what} | {row['median']:.3f} | {row['low']:.3f} | {row['high']:.3f} |", flush=True)
    finally:
        for side in sides:
            side.close()


if __name__ == "__main__":
    run(main)
