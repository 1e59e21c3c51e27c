"""The parts of benchmarks.run, each of which measures the product beside something else, in turns."""

from __future__ import annotations

import argparse
import shutil
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from benchmarks.latencies import TASKS, format_rows, serving_rows
from benchmarks.ratios import ratio_of, spread
from benchmarks.worker import Worker

PARTS = (
    "training",
    "peak",
    "heads",
    "distillation",
    "encoding",
    "waiting",
    "memory",
    "scoring",
    "settings",
    "serving",
    "formats",
)
# Parts whose rows are named "setting: what".
PARTS_BY_SETTING = ("settings", "serving", "formats")
_BATCH_SIZE = 32
_SMALL_FILE = "MRPC", "mrpc"
_LARGE_FILE = "SST-2", "sst2"


def product_worker(flags: argparse.Namespace, tasks: Sequence[str], max_length: int, *arguments: str) -> Worker:
    """Returns a process that trains and scores with the product."""
    folders = (f"--glue={flags.glue}", f"--encoder={flags.encoder}", f"--output={flags.output}")
    data = (f"--tasks={','.join(tasks)}", f"--rows={flags.rows}", f"--max_length={max_length}")
    return Worker(sys.executable, "benchmarks.product_worker", [*folders, *data, *arguments])


class Benchmark:
    """The parts of the measurement, each a method that returns its rows of results.

    Args:
        flags: Of the command line.
        product: A worker of the product.
        pytorch: A worker of PyTorch.
    """

    def __init__(self, flags: argparse.Namespace, product: Worker, pytorch: Worker) -> None:
        self._flags, self._product, self._pytorch = flags, product, pytorch
        self._repeats = 2 if flags.quick else flags.repeats
        self._steps = 4 if flags.quick else 20
        self._traces: int | None = None

    def _rounds(self, measures: dict[str, Callable[[int], float]]) -> dict[str, list[float]]:
        """Measures everything once a round, each round beginning with another, after a round that is not counted."""
        values: dict[str, list[float]] = {name: [] for name in measures}
        names = list(measures)
        for number in range(self._repeats + 1):
            first = number % len(names)
            for name in names[first:] + names[:first]:
                value = measures[name](number)
                if number:
                    values[name].append(value)
        return values

    def training(self) -> list[dict[str, Any]]:
        """(a) Real tokens a second of multi-task training."""
        steps = self._steps

        def tokens(result: dict[str, float]) -> float:
            return result["tokens"] / result["seconds"]

        def names(number: int) -> list[str]:
            return list(self._product("task_names", start=number * steps, steps=steps, batch_size=_BATCH_SIZE))

        def pytorch(number: int, grouped: bool) -> float:
            return tokens(self._pytorch("train", tasks=names(number), batch_size=_BATCH_SIZE, group_by_length=grouped))

        values = self._rounds(
            {
                "mtdnn_tf": lambda number: tokens(
                    self._product("train", start=number * steps, steps=steps, batch_size=_BATCH_SIZE)
                ),
                "default collator": lambda number: pytorch(number, False),
                "group_by_length": lambda number: pytorch(number, True),
            }
        )
        self._traces = self._product("traces")
        ours = values["mtdnn_tf"]
        return [
            *(spread(f"{name}, real tokens/s", side) for name, side in values.items()),
            ratio_of("times transformers' default collator", ours, values["default collator"], at_least=3.0),
            ratio_of("times transformers' group_by_length", ours, values["group_by_length"], at_least=1.1),
            spread("graphs traced for all batch shapes", [self._traces], at_most=1),
        ]

    def _fixed(self, kind: str, steps: int, soft: bool = False, length: int = 64) -> dict[str, float]:
        arguments = {"kind": kind, "length": length, "batch_size": _BATCH_SIZE, "steps": steps, "soft": soft}
        return dict(self._product("fixed", **arguments))

    def peak(self) -> list[dict[str, Any]]:
        """(b) Share of the matrix product's peak, length 64, and what the operations' time goes to."""
        steps = max(2, self._steps // 3)
        counted = self._fixed("all", steps)

        def achieved(_: int) -> float:
            return counted["flops"] / self._fixed("all", steps)["seconds"] / 1e9

        values = self._rounds({"product": lambda _: self._product("peak") / 1e9, "training": achieved})
        spared = counted["encoder_flops"] / counted["flops"]
        shape = {"kind": "all", "length": 64, "batch_size": _BATCH_SIZE, "steps": 4}
        times = [self._product("operations", **shape) for _ in range(self._repeats)]
        return [
            spread("matrix product of 2048, GFLOP/s", values["product"]),
            spread("training steps, GFLOP/s", values["training"]),
            ratio_of("share of the peak", values["training"], values["product"], at_least=0.65),
            ratio_of(
                "in the sums of the whole encoder", [rate * spared for rate in values["training"]], values["product"]
            ),
            *(
                spread(f"share of the operations' time: {name}", [shares[name] for shares in times])
                for name in times[0]
            ),
        ]

    def heads(self) -> list[dict[str, Any]]:
        """(c) Nine heads against one."""
        steps = max(2, self._steps // 3)
        values = self._rounds(
            {
                "nine": lambda _: self._fixed("all", steps)["seconds"] / steps,
                "one": lambda _: self._fixed("one", steps)["seconds"] / steps,
            }
        )
        return [
            *(spread(f"{name} head(s), seconds a step", side) for name, side in values.items()),
            ratio_of("nine heads against one", values["nine"], values["one"], at_most=1.03),
        ]

    def distillation(self) -> list[dict[str, Any]]:
        """(d) Stored soft targets against gold alone, and against teachers in the step."""
        steps = max(2, self._steps // 3)
        values = self._rounds(
            {
                "gold": lambda _: self._fixed("all", steps)["seconds"] / steps,
                "stored": lambda _: self._fixed("all", steps, soft=True)["seconds"] / steps,
                "teachers": lambda _: self._fixed("teachers", max(2, steps // 2))["seconds"] / max(2, steps // 2),
            }
        )
        return [
            ratio_of("stored soft targets against gold alone", values["stored"], values["gold"], at_most=1.02),
            ratio_of("three teachers in the step against gold alone", values["teachers"], values["gold"]),
        ]

    def encoding(self) -> list[dict[str, Any]]:
        """(e) Encoding, and the time to the first step."""

        def speed(result: dict[str, float]) -> float:
            return result["rows"] / result["seconds"]

        values = self._rounds(
            {
                "mtdnn_tf": lambda _: speed(self._product("encode")),
                "tokenizers": lambda _: speed(self._pytorch("encode")),
            }
        )
        # The first one warms the cache of encoded data.
        runs = [
            self._run_once(list(TASKS), 1, {"max_train_examples": self._flags.rows}) for _ in range(self._repeats + 1)
        ]

        def seconds(part: str) -> list[float]:
            return [run[f"{part}_seconds"] for run in runs[1:]]

        return [
            *(spread(f"{name}, rows/s", side) for name, side in values.items()),
            ratio_of("times the Hugging Face fast tokenizer, same rows", values["mtdnn_tf"], values["tokenizers"]),
            spread("import, seconds", seconds("import")),
            spread("tracing, seconds", seconds("trace")),
            spread("start to first step beyond both, warm cache, seconds", seconds("start"), at_most=10.0),
        ]

    def waiting(self) -> list[dict[str, Any]]:
        """(f) Share of the time in which the step waits for data."""
        shares = []
        for number in range(self._repeats):
            result = self._product("wait", start=number * self._steps, steps=self._steps, batch_size=_BATCH_SIZE)
            shares.append(result["waited"] / result["seconds"])
        return [spread("share of waiting for data", shares, at_most=0.02)]

    def memory(self) -> list[dict[str, Any]]:
        """(g) Peak memory against rows."""
        folder, task = _SMALL_FILE if self._flags.quick else _LARGE_FILE
        peaks = {}
        for times in (1, 10):
            glue = self._flags.output / f"rows_{times}"
            shutil.rmtree(glue, ignore_errors=True)
            (glue / folder).mkdir(parents=True)
            header, _, rows = (self._flags.glue / folder / "train.tsv").read_bytes().partition(b"\n")
            (glue / folder / "train.tsv").write_bytes(header + b"\n" + times * (rows.rstrip(b"\n") + b"\n"))
            # The first run encodes; those whose memory counts find the rows encoded. A handful of steps would tell of
            # how long their batches happen to be.
            steps = 4 if self._flags.quick else 30
            settings = {"max_sequence_length": 64}
            results = [self._run_once([task], steps, settings, glue) for _ in range(self._repeats + 1)]
            peaks[times] = [result["peak_bytes"] / 2**20 for result in results[1:]]
            shutil.rmtree(glue)
        return [
            *(spread(f"{task}, rows x {times}, peak MiB", peak) for times, peak in peaks.items()),
            ratio_of("memory at ten times the rows", peaks[10], peaks[1], at_most=1.10),
        ]

    def scoring(self) -> list[dict[str, Any]]:
        """(h) Teacher scoring."""
        arguments = {"task": "mrpc", "rows": 96 if self._flags.quick else 1000, "batch_size": 64}

        def speed(worker: Worker) -> float:
            result = worker("score", **arguments)
            return float(result["rows"] / result["seconds"])

        values = self._rounds({"mtdnn_tf": lambda _: speed(self._product), "pytorch": lambda _: speed(self._pytorch)})
        return [
            *(spread(f"{name}, rows/s", side) for name, side in values.items()),
            ratio_of("times PyTorch", values["mtdnn_tf"], values["pytorch"]),
        ]

    def settings(self) -> list[dict[str, Any]]:
        """(i) Gradient accumulation, precision, recomputed activations."""
        choices: dict[str, dict[str, Any]] = {"default": {}, "gradient_accumulation=4": {"gradient_accumulation": 4}}
        if not self._flags.quick:
            choices.update({f"precision={name}": {"precision": name} for name in ("mixed_bfloat16", "mixed_float16")})
        rows = []
        for name, settings in choices.items():
            # A step in float16 takes more than a minute on a CPU.
            steps = 4 if self._flags.quick or name.endswith("_float16") else 12
            result = self._run_once(["mrpc"], steps, settings)
            rows.append(spread(f"{name}, batch 32: seconds a step", [result["step_seconds"]]))
            rows.append(spread(f"{name}, batch 32: peak MiB", [result["peak_bytes"] / 2**20]))
        length, batch_size, steps = (64, 8, 2) if self._flags.quick else (512, 16, 3)
        for name, arguments in (("default", []), ("recompute_activations", ["--recompute"])):
            worker = product_worker(self._flags, ["mrpc"], length, *arguments)
            try:
                # The first steps trace and are not counted.
                for _ in range(2):
                    fixed = worker("fixed", kind="one", length=length, batch_size=batch_size, steps=steps)
                at = f"{name}, batch {batch_size}, length {length}"
                rows.append(spread(f"{at}: seconds a step", [fixed["seconds"] / steps]))
                rows.append(spread(f"{at}: peak MiB", [worker("peak_memory") / 2**20]))
            finally:
                worker.close()
        return rows

    def _run_once(
        self, tasks: list[str], steps: int, settings: dict[str, Any], glue: Path | None = None
    ) -> dict[str, Any]:
        worker = Worker(sys.executable, "benchmarks.measured_run")
        try:
            arguments = {
                "glue": str(glue or self._flags.glue),
                "cache": str((glue or self._flags.output) / "cache"),
                "output": str(self._flags.output / "measured_run"),
                "backbone": self._flags.encoder,
            }
            return dict(worker("run_once", tasks=tasks, steps=steps, settings=settings, **arguments))
        finally:
            worker.close()

    def serving(self) -> list[dict[str, Any]]:
        """Latency of answers from token ids."""
        return serving_rows(self._flags, self._pytorch, self._rounds)

    def formats(self) -> list[dict[str, Any]]:
        """Latency of one task from token ids by exported format; files of ONNX in one runtime."""
        return format_rows(self._flags, self._pytorch, self._rounds)
