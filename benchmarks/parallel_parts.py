"""Measures training by the number of parallel parts of a batch, beside one part with TensorFlow's own threads.

python -m benchmarks.parallel_parts --glue=FOLDER --output=FOLDER [--encoder=demo] [--parts=1,2,4]

Prints a table. `taskset -c 0` before it leaves the processes one core.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from benchmarks.ratios import ratio_of
from benchmarks.worker import Worker

_TASKS = "mrpc,stsb"
_BATCH_SIZE = 32
_DEFAULT = "1 part, TensorFlow's own threads"


def main() -> None:
    """Trains the same batches with each number of parts in turn, each round beginning with another one."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--glue", type=Path, required=True, help="folder of GLUE's files")
    parser.add_argument("--output", type=Path, required=True, help="folder of encoded data")
    parser.add_argument("--encoder", default="demo")
    parser.add_argument("--parts", default="1,2,4", help="numbers of parts, comma-separated")
    parser.add_argument("--steps", type=int, default=10, help="steps per round")
    parser.add_argument("--rounds", type=int, default=6)
    flags = parser.parse_args()
    common = (f"--glue={flags.glue}", f"--encoder={flags.encoder}", f"--output={flags.output}", f"--tasks={_TASKS}")
    arms = {_DEFAULT: ["--parts=1", "--default_threads"]}
    arms |= {f"parts: {parts}": [f"--parts={parts}"] for parts in flags.parts.split(",")}
    workers = {
        name: Worker(sys.executable, "benchmarks.product_worker", [*common, *arguments])
        for name, arguments in arms.items()
    }
    speeds: dict[str, list[float]] = {name: [] for name in workers}
    names = list(workers)
    for number in range(flags.rounds + 1):
        for name in names[number % len(names) :] + names[: number % len(names)]:
            result = workers[name]("train", start=number * flags.steps, steps=flags.steps, batch_size=_BATCH_SIZE)
            # The first round builds the graphs.
            if number:
                speeds[name].append(result["tokens"] / result["seconds"])
    for worker in workers.values():
        worker.close()
    print(f"cores: {len(os.sched_getaffinity(0))}, rounds: {flags.rounds}, steps per round: {flags.steps}\n")
    print(f"| training speed relative to {_DEFAULT} | median | least | largest |\n|---|---:|---:|---:|")
    for name in names[1:]:
        row = ratio_of(name, speeds[name], speeds[_DEFAULT])
        print(f"| {name} | {row['median']:.2f} | {row['low']:.2f} | {row['high']:.2f} |")


if __name__ == "__main__":
    main()
