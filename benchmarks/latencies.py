"""The parts of the measurement that time single answers."""

from __future__ import annotations

import argparse
import statistics
import sys
from collections.abc import Callable
from typing import Any

from benchmarks.ratios import ratio_of, spread
from benchmarks.worker import Worker

TASKS = ("mrpc", "cola", "sst2", "stsb", "qqp", "mnli", "qnli", "rte", "wnli")
MAX_LENGTH = 128
# From measures by name, each given the number of its round, to their values in all rounds.
Rounds = Callable[[dict[str, Callable[[int], float]]], dict[str, list[float]]]


def _answer_worker(flags: argparse.Namespace) -> Worker:
    """Returns a process that answers tasks with the product's models."""
    own = (f"--encoder={flags.encoder}", f"--output={flags.output}", f"--tasks={','.join(TASKS)}")
    return Worker(sys.executable, "benchmarks.answer_worker", [*own, f"--max_length={MAX_LENGTH}"])


def serving_rows(flags: argparse.Namespace, pytorch: Worker, rounds: Rounds) -> list[dict[str, Any]]:
    """Returns rows of latencies of the product, PyTorch and ONNX Runtime."""
    product = _answer_worker(flags)
    try:
        return _latencies(flags, product, pytorch, rounds)
    finally:
        product.close()


def format_rows(flags: argparse.Namespace, pytorch: Worker, rounds: Rounds) -> list[dict[str, Any]]:
    """Returns rows of latencies of the product's exports, and of PyTorch's own ONNX file."""
    product = _answer_worker(flags)
    try:
        files = product("write_onnx")
        sizes = [(size, length) for size in (1, 8, 32) for length in (16, 32, 64)]
        found = [
            _formats_at(flags, product, pytorch, rounds, files, *size) for size in (sizes[:1] if flags.quick else sizes)
        ]
        return [row for rows in found for row in rows]
    finally:
        product.close()


def _latencies(flags: argparse.Namespace, product: Worker, pytorch: Worker, rounds: Rounds) -> list[dict[str, Any]]:
    sizes = [(1, 32)] + [(size, length) for size in (1, 8, 32) for length in (16, 64, 128)]
    rows: list[dict[str, Any]] = []
    for size, length in sizes[:2] if flags.quick else sizes:
        is_first = (size, length) == (1, 32)
        repeats = 3 if flags.quick else 15 if size == 1 else 5
        shape = {"batch_size": size, "length": length, "repeats": repeats}

        def ours(engine: str, shape: dict[str, int] = shape) -> Callable[[int], float]:
            return lambda _: statistics.median(product("answer", engine=engine, **shape))

        def theirs(engine: str, shape: dict[str, int] = shape) -> Callable[[int], float]:
            return lambda _: statistics.median(pytorch("answer", engine=engine, task=TASKS[0], **shape))

        engines = {name: ours(name) for name in ("saved_model", "one_task", "all_tasks", "ensemble")}
        values = rounds({**engines, "pytorch": theirs("pytorch"), "onnx": theirs("onnx")})
        at = f"batch {size}, length {length}"
        target, together = (1.0, 1.1) if is_first else (None, None)
        rows += [spread(f"{at}: {name}, ms", side) for name, side in values.items()]
        rows += [
            ratio_of(f"{at}: SavedModel / PyTorch", values["saved_model"], values["pytorch"]),
            ratio_of(f"{at}: one task / PyTorch", values["one_task"], values["pytorch"], at_most=target),
            ratio_of(f"{at}: one task / ONNX Runtime", values["one_task"], values["onnx"]),
            ratio_of(f"{at}: 9 tasks / one", values["all_tasks"], values["one_task"], at_most=together),
            ratio_of(f"{at}: ensemble of 3 / one", values["ensemble"], values["one_task"]),
        ]
    return rows


def _formats_at(
    flags: argparse.Namespace,
    product: Worker,
    pytorch: Worker,
    rounds: Rounds,
    files: dict[str, str],
    size: int,
    length: int,
) -> list[dict[str, Any]]:
    repeats = 3 if flags.quick else 30 if size == 1 else 5
    shape = {"batch_size": size, "length": length, "repeats": repeats}

    def ours(engine: str) -> Callable[[int], float]:
        return lambda _: statistics.median(product("answer", engine=engine, **shape))

    def in_runtime(engine: str) -> Callable[[int], float]:
        return lambda _: statistics.median(pytorch("answer", engine=engine, task=TASKS[0], **shape))

    engines = {name: ours(name) for name in ("saved_model", "litert", "litert_int8")}
    of_onnx = {"our ONNX": files["float32"], "our ONNX int8": files["int8"], "PyTorch's ONNX": "onnx"}
    values = rounds({**engines, **{name: in_runtime(engine) for name, engine in of_onnx.items()}})
    at = f"batch {size}, length {length}"
    saved_model = 1.3 if size == 1 else 1.0
    int8 = 0.55 if (size, length) == (1, 32) else None
    return [
        *(spread(f"{at}: {name}, ms", side) for name, side in values.items()),
        ratio_of(f"{at}: SavedModel / our ONNX", values["saved_model"], values["our ONNX"], at_most=saved_model),
        ratio_of(f"{at}: our ONNX / PyTorch's", values["our ONNX"], values["PyTorch's ONNX"], at_most=1.0),
        ratio_of(f"{at}: int8 / float32", values["our ONNX int8"], values["our ONNX"], at_most=int8),
        ratio_of(f"{at}: LiteRT / our ONNX", values["litert"], values["our ONNX"]),
        ratio_of(f"{at}: LiteRT int8 / LiteRT", values["litert_int8"], values["litert"]),
    ]
