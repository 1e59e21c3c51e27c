"""Computes what scoring very many rows on Apache Beam costs, from what some thousand rows cost on one worker.

python -m benchmarks.beam_cost --output=FOLDER [--rows=5000] [--targets=100000000,1000000000] [--workers=16,256]
    [--teachers=EXPORT,...] [--length=28]

Scores made-up rows with DirectRunner in this process, `--rows` of them and four times as many, after a run that is not
counted; what grows between the two is the cost per row, in seconds of a processor core. The teacher is a small one of 2
layers with random weights, or `--teachers` are scored. Then prints, for other numbers of rows and workers of one core
each, the hours, computed: what workers share is divided by their number, what the command does itself is not.
"""

from __future__ import annotations

import argparse
import functools
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple, TypeVar

import numpy as np
import tensorflow as tf
from apache_beam.coders import FastPrimitivesCoder, TupleCoder

from benchmarks.command_line import run
from benchmarks.made_up_rows import LABELS, write_encoder, write_rows, write_task
from mtdnn_tf.beam.options import BeamOptions
from mtdnn_tf.beam.scoring import BeamScoring
from mtdnn_tf.beam.split_stages import SplitStages
from mtdnn_tf.distillation.soft_targets import read_soft_targets, soft_target_folder
from mtdnn_tf.evaluation.measures.cost import forward_flops
from mtdnn_tf.modeling.backbone import BackboneConfig
from mtdnn_tf.modeling.checkpoints.backbones import DEMO, find_backbone
from mtdnn_tf.modeling.checkpoints.model_folder import load_model, save_model
from mtdnn_tf.modeling.heads import LinearHead
from mtdnn_tf.modeling.multi_task_model import build_multi_task_model
from mtdnn_tf.serving.export import export_model
from mtdnn_tf.tasks.registry import select_tasks

_Result = TypeVar("_Result")
_TIMES, _REPEATS = 4, 20


class Cost(NamedTuple):
    """What scoring costs: seconds of a processor core, and bytes."""

    read: float  # Reading, dividing and sorting rows, on workers.
    score: float  # Predicting ranges, on workers.
    command: float  # In the command itself: the fingerprint of the data, and verifying the shards.
    shuffled: float  # Bytes of rows between workers, as Beam encodes them.
    files: float  # Bytes of sorted rows and of shards.


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, required=True, help="folder of the data, the teacher and the scores")
    parser.add_argument("--rows", type=int, default=5000)
    parser.add_argument("--targets", default="100000000,1000000000")
    parser.add_argument("--workers", default="16,256")
    parser.add_argument("--teachers", help="comma-separated exports, instead of a small one")
    parser.add_argument("--length", type=int, default=28, help="word pieces per row in the formula for `demo`")
    flags = parser.parse_args()
    folder = flags.output.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    write_encoder(folder)
    teachers = [Path(name) for name in flags.teachers.split(",")] if flags.teachers else [_small_teacher(folder)]
    _, few, many = (_cost(folder, rows, teachers) for rows in (flags.rows, flags.rows, _TIMES * flags.rows))
    cost = Cost(*((more - less) / ((_TIMES - 1) * flags.rows) for less, more in zip(few, many)))
    print(f"measured between {flags.rows} and {_TIMES * flags.rows} rows, {len(teachers)} teacher(s), per row:")
    print(f"  on workers: {1e6 * cost.read:,.1f} µs to read and sort, {1e6 * cost.score:,.1f} µs to score")
    print(
        f"  in the command: {1e6 * cost.command:,.1f} µs; shuffled {cost.shuffled:,.0f} B, files {cost.files:,.0f} B\n"
    )
    rows = [("the teachers measured", cost)]
    if not flags.teachers:
        rows.append(("`demo`, by the formula", _with_demo(folder, cost, flags.length)))
    columns = "rows | workers | rows/s per worker | hours on workers | hours in the command | shuffled, GB | files, GB"
    print(f"| teacher | {columns} |\n|---|---:|---:|---:|---:|---:|---:|---:|")
    for name, of_teacher in rows:
        for target in map(int, flags.targets.split(",")):
            for workers in map(int, flags.workers.split(",")):
                print(_line(name, of_teacher, target, workers))


def _line(name: str, cost: Cost, rows: int, workers: int) -> str:
    on_workers = cost.read + cost.score
    hours = (rows * seconds / 3600 for seconds in (on_workers / workers, cost.command))
    gigabytes = (rows * count / 1e9 for count in (cost.shuffled, cost.files))
    shown = " | ".join(f"{value:,.2f}" for value in (*hours, *gigabytes))
    return f"| {name} | {rows:,} | {workers} | {1 / on_workers:,.0f} | {shown} |"


def _small_teacher(folder: Path) -> Path:
    """Returns the export of a model of 2 layers with random weights."""
    exported = folder / "teacher"
    if not exported.is_dir():
        write_task(folder, "teacher", "train.tsv")
        tasks = select_tasks([], [folder / "teacher.yaml"])
        pretrained = find_backbone(f"config:{folder / 'config.json'}")
        model = build_multi_task_model(pretrained, tasks, seed=0)
        save_model(model, tasks, pretrained.tokenizer(), pretrained.config.max_positions, folder / "run" / "model")
        export_model(load_model(folder / "run"), exported / "1", batch_sizes=())
    return exported


def _cost(folder: Path, rows: int, teachers: list[Path]) -> Cost:
    """Returns what scoring some rows costs, all that does not depend on their number included."""
    write_rows(folder / f"{rows}.tsv", rows)
    (task,) = select_tasks([], [write_task(folder, str(rows), f"{rows}.tsv")])
    output = folder / "soft_targets"
    shutil.rmtree(output, ignore_errors=True)
    read, reading = _timed(SplitStages(task, "train", folder, output, BeamOptions()).read)
    _, fingerprint = _timed(read.ranges.digests)
    sorted_rows = _size(output)
    _, scoring = _timed(BeamScoring(teachers, [task], "train", folder, output, BeamOptions()).score)
    # Reading the shards verifies them as writing the manifest over all does.
    _, verifying = _timed(functools.partial(read_soft_targets, soft_target_folder(output, task, "train")))
    files = sorted_rows + _size(output)
    shutil.rmtree(output)
    work = scoring - reading - verifying
    return Cost(reading - fingerprint, work, fingerprint + verifying, _shuffled(folder / f"{rows}.tsv"), files)


def _timed(function: Callable[[], _Result]) -> tuple[_Result, float]:
    """Returns what a function returns, and the core seconds that it takes."""
    start = time.process_time()
    return function(), time.process_time() - start


def _size(folder: Path) -> int:
    """Returns the bytes of all files of a folder."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def _shuffled(path: Path) -> int:
    """Returns the bytes of the rows of a file when they are grouped by ranges: id, number, texts and query."""
    coder = TupleCoder([FastPrimitivesCoder(), FastPrimitivesCoder()])
    lines = path.read_text(encoding="utf-8").splitlines()[1:]
    cells = (line.split("\t") for line in lines)
    return sum(len(coder.encode((0, (key, row, text, None, None)))) for row, (key, _, text) in enumerate(cells))


def _with_demo(folder: Path, cost: Cost, length: int) -> Cost:
    """Returns the cost with the encoder `demo`: its further operations at the speed of its largest matrix product."""
    small, demo = (find_backbone(name).config for name in (f"config:{folder / 'config.json'}", DEMO))
    head = LinearHead(len(LABELS))
    further = forward_flops(demo, [head], length) - forward_flops(small, [head], length)
    speed = _flops_per_core_second(demo, 64 * length)
    print(f"formula: {further / 1e6:,.0f} million further operations per row at {speed / 1e9:,.1f} GFLOP/s per core\n")
    return cost._replace(score=cost.score + further / speed)


def _flops_per_core_second(shape: BackboneConfig, rows: int) -> float:
    """Returns the operations per core second of the product of `rows` outputs with the widest matrix of an encoder."""
    draw = np.random.default_rng(0)
    left = tf.constant(draw.normal(size=(rows, shape.hidden_dim)), tf.float32)
    right = tf.constant(draw.normal(size=(shape.hidden_dim, shape.intermediate_dim)), tf.float32)
    tf.matmul(left, right)
    start = time.process_time()
    for _ in range(_REPEATS):
        product = tf.matmul(left, right)
    product.numpy()
    return 2 * rows * shape.hidden_dim * shape.intermediate_dim * _REPEATS / (time.process_time() - start)


if __name__ == "__main__":
    run(main)
