"""Measures encoders of each family beside transformers and PyTorch, in turns: steps of training, and single answers.

python -m benchmarks.families --output=FOLDER [--pytorch=PYTHON] [--families=bert,...]

PYTHON has benchmarks/requirements.txt, by default that of MTDNN_TF_TORCH_PYTHON. Encoders have one shape and random
weights, which transformers makes. A round measures the product and PyTorch, every other one in the other order; its
ratio is that of the two medians. Writes results.json and families.md.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.command_line import InputError, run, write_bytes
from benchmarks.family_shapes import FIRST_ID, Shape, check_shape, write_folder
from benchmarks.ratios import ratio_of, spread
from benchmarks.run import machine
from benchmarks.worker import Worker
from mtdnn_tf.modeling.checkpoints.families import FAMILIES
from mtdnn_tf.text_tables import markdown_table

STEP, ANSWER = "step of training", "answer"
_LARGEST_DIFFERENCE = 1e-3
_VARIABLE = "MTDNN_TF_TORCH_PYTHON"


def parse_flags(arguments: list[str] | None = None) -> argparse.Namespace:
    """Returns the checked flags."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, required=True, help="folder of results.json and families.md")
    parser.add_argument("--pytorch", default=os.environ.get(_VARIABLE, ""), help="Python of PyTorch")
    parser.add_argument("--families", default=",".join(FAMILIES), help=f"some of {','.join(FAMILIES)}")
    defaults = Shape()
    parser.add_argument("--layers", type=int, default=defaults.layers)
    parser.add_argument("--width", type=int, default=defaults.width)
    parser.add_argument("--heads", type=int, default=defaults.heads)
    parser.add_argument("--vocabulary", type=int, default=defaults.vocabulary)
    parser.add_argument("--batch_size", type=int, default=16, help="texts of a step of training")
    parser.add_argument("--length", type=int, default=64, help="tokens of each text")
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--steps", type=int, default=5, help="steps of training of a round")
    parser.add_argument("--answers", type=int, default=50, help="answers of a round")
    flags = parser.parse_args(arguments)
    flags.families = flags.families.split(",")
    for family in flags.families:
        if family not in FAMILIES:
            raise InputError(f"--families must be some of {','.join(FAMILIES)}, got {family!r}")
    if not flags.pytorch or shutil.which(flags.pytorch) is None:
        raise InputError(f"--pytorch (or {_VARIABLE}) must be a Python interpreter, got {flags.pytorch or 'nothing'}")
    for name in ("batch_size", "rounds", "steps", "answers"):
        if getattr(flags, name) < 1:
            raise InputError(f"--{name} must be an integer >= 1, got {getattr(flags, name)}")
    if not 1 <= flags.length <= 512:
        raise InputError(f"--length must be an integer from 1 to 512, got {flags.length}")
    flags.shape = Shape(flags.layers, flags.width, flags.heads, flags.vocabulary)
    check_shape(flags.shape)
    return flags


def measure(family: str, flags: argparse.Namespace, work: Path) -> dict[str, Any]:
    """Returns the spreads of a family's times and ratios."""
    folder = work / family
    write_folder(family, flags.shape, folder)
    threads = len(os.sched_getaffinity(0))
    workers = [
        Worker(flags.pytorch, "benchmarks.pytorch_family_worker", [f"--folder={folder}", f"--threads={threads}"])
    ]
    try:
        theirs = workers[0]
        versions = dict(theirs("versions"))
        # It has written the weights.
        for more in (["--trains"], []):
            workers.append(Worker(sys.executable, "benchmarks.family_worker", [f"--folder={folder}", *more]))
        _, trainer, answerer = workers
        versions.update(answerer("versions"))
        ids = np.random.default_rng(0).integers(FIRST_ID, flags.vocabulary, (flags.batch_size, flags.length)).tolist()
        difference = float(np.abs(np.subtract(theirs("outputs", ids=ids), answerer("outputs", ids=ids))).max())
        if not difference <= _LARGEST_DIFFERENCE:
            raise InputError(f"{family}: outputs of both sides differ by {difference:.2g}")
        # PyTorch's first step and answer are not counted either.
        theirs("answer", ids=ids[:1], repeats=1)
        answers = _rounds(
            lambda: statistics.median(answerer("answer", ids=ids[:1], repeats=flags.answers)),
            lambda: statistics.median(theirs("answer", ids=ids[:1], repeats=flags.answers)),
            flags.rounds,
        )
        theirs("train", ids=ids, steps=1)
        steps = _rounds(
            lambda: statistics.median(trainer("train", ids=ids, steps=flags.steps)),
            lambda: statistics.median(theirs("train", ids=ids, steps=flags.steps)),
            flags.rounds,
        )
    finally:
        for worker in workers:
            worker.close()
    return {"family": family, "versions": versions, "difference": difference, STEP: steps, ANSWER: answers}


def _rounds(ours: Callable[[], float], theirs: Callable[[], float], rounds: int) -> dict[str, dict[str, Any]]:
    """Returns the spreads of two measures and of their ratio; which is first alternates."""
    values: dict[str, list[float]] = {"product": [], "PyTorch": []}
    sides = (("product", ours), ("PyTorch", theirs))
    for number in range(rounds):
        for name, side in sides if number % 2 == 0 else sides[::-1]:
            values[name].append(side())
    found = {name: spread(f"{name}, ms", of_side) for name, of_side in values.items()}
    return {**found, "ratio": ratio_of("product / PyTorch", values["product"], values["PyTorch"])}


def table(results: Mapping[str, Any]) -> str:
    """Returns the measured families as a page in Markdown."""
    header = ["family", *(f"{what}: {side}" for what in (STEP, ANSWER) for side in ("product", "PyTorch", "ratio"))]
    rows = [header]
    for measured in results["families"]:
        cells = [measured["family"]]
        for what in (STEP, ANSWER):
            times = (f"{measured[what][side]['median']:.1f} ms" for side in ("product", "PyTorch"))
            ratio = measured[what]["ratio"]
            cells += [*times, f"{ratio['median']:.2f} ({ratio['low']:.2f} to {ratio['high']:.2f})"]
        rows.append(cells)
    shape, flags = results["shape"], results["flags"]
    on, versions = results["machine"], results["families"][0]["versions"]
    return (
        f"Encoders with random weights: {shape['layers']} layers, width {shape['width']}, {shape['heads']} heads, "
        f"{shape['vocabulary']} word pieces. Steps of training of {flags['batch_size']} texts, answers for one text, "
        f"each of {flags['length']} tokens. Medians of {flags['rounds']} alternating rounds; ratios are product / "
        f"PyTorch, round by round, with minimum and maximum. {on['cpu']}, {on['cores']} cores, {on['date']}, commit "
        f"{on['commit']}; {', '.join(f'{name} {version}' for name, version in versions.items())}.\n\n"
        + markdown_table(rows)
    )


def main(arguments: list[str] | None = None) -> None:
    """Measures the families and writes their results after each."""
    flags = parse_flags(arguments)
    given = {name: getattr(flags, name) for name in ("batch_size", "length", "rounds", "steps", "answers")}
    results: dict[str, Any] = {"machine": machine(), "shape": flags.shape._asdict(), "flags": given, "families": []}
    with tempfile.TemporaryDirectory() as work:
        for family in flags.families:
            results["families"].append(measure(family, flags, Path(work)))
            print(f"{family}: measured", file=sys.stderr, flush=True)
            write_bytes(flags.output / "results.json", (json.dumps(results, indent=2) + "\n").encode())
            write_bytes(flags.output / "families.md", table(results).encode())
    print(table(results), end="")


if __name__ == "__main__":
    run(main)
