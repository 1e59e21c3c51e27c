"""Measures the product beside transformers and PyTorch, in turns, and writes results.json and performance.md.

python -m benchmarks.run --glue=FOLDER --encoder=FOLDER --pytorch=PYTHON --output=FOLDER [--quick] [--only=a,b]

Parts that the output folder has from earlier calls stay on the page, each with its own date and commit.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import platform
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from benchmarks.command_line import InputError, run, write_bytes
from benchmarks.latencies import MAX_LENGTH, TASKS
from benchmarks.parts import PARTS, PARTS_BY_SETTING, Benchmark, product_worker
from benchmarks.performance_page import page
from benchmarks.worker import Worker


def machine() -> dict[str, Any]:
    """Returns what the figures depend on."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.is_file() else []
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True)
    return {
        "cpu": models[0] if models else platform.processor(),
        "cores": len(os.sched_getaffinity(0)),
        "load_before": round(os.getloadavg()[0], 2),
        "date": datetime.date.today().isoformat(),
        "commit": commit.stdout.strip() or "unknown",
    }


def parse_flags() -> argparse.Namespace:
    """Returns the checked flags."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--glue", type=Path, required=True, help="folder of GLUE's files")
    parser.add_argument("--encoder", required=True, help="Hugging Face folder of a BERT with exact GELU, or demo")
    parser.add_argument("--pytorch", required=True, help="Python with benchmarks/requirements.txt")
    parser.add_argument("--output", type=Path, required=True, help="folder of results and of what is left over")
    parser.add_argument("--page", type=Path, help="performance.md; in the output folder by default")
    parser.add_argument("--only", default=",".join(PARTS), help=f"some of {','.join(PARTS)}")
    parser.add_argument("--quick", action="store_true", help="shows that everything runs; its figures say nothing")
    parser.add_argument("--repeats", type=int, default=5, help="alternating runs")
    parser.add_argument("--rows", type=int, default=2000, help="training rows a task")
    flags = parser.parse_args()
    flags.only = flags.only.split(",")
    for part in flags.only:
        if part not in PARTS:
            raise InputError(f"--only must be some of {','.join(PARTS)}, got {part!r}")
    if flags.quick:
        flags.rows = min(flags.rows, 200)
    if not (flags.glue / "MRPC" / "train.tsv").is_file():
        raise InputError(f"--glue must be the folder of GLUE's files, with MRPC/train.tsv, got {flags.glue}")
    if shutil.which(flags.pytorch) is None:
        raise InputError(f"--pytorch must be a Python interpreter, got {flags.pytorch}")
    flags.output = flags.output.resolve()
    return flags


def _encoder_folder(encoder: str) -> str:
    if encoder != "demo":
        return encoder
    from mtdnn_tf.modeling.checkpoints.backbones import demo_encoder_folder

    return str(demo_encoder_folder())


def _measured_before(flags: argparse.Namespace) -> dict[str, Any]:
    """Returns the parts that stand in the output folder, of which those asked for are measured again."""
    path = flags.output / "results.json"
    before = json.loads(path.read_text()) if path.is_file() else {"quick": flags.quick, "parts": {}}
    if before["quick"] != flags.quick:
        raise InputError(f"--output takes a folder with results of the same --quick, {path} has others")
    return dict(before["parts"])


def main() -> None:
    """Measures the parts and writes their results after each."""
    flags = parse_flags()
    flags.output.mkdir(parents=True, exist_ok=True)
    flags.encoder = _encoder_folder(flags.encoder)
    results = {"quick": flags.quick, "parts": _measured_before(flags)}
    product = product_worker(flags, TASKS, MAX_LENGTH)
    rows = flags.output / "rows.json"
    product("write_rows", path=str(rows))
    pytorch = Worker(
        flags.pytorch,
        "benchmarks.pytorch_worker",
        [
            f"--max_length={MAX_LENGTH}",
            f"--model={flags.encoder}",
            f"--rows={rows}",
            f"--threads={len(os.sched_getaffinity(0))}",
        ],
    )
    try:
        versions = {**product("versions"), **pytorch("versions")}
        rows.unlink()
        benchmark = Benchmark(flags, product, pytorch)
        for part in flags.only:
            started, on = time.monotonic(), {**machine(), **versions}
            measured = getattr(benchmark, part)()
            seconds = round(time.monotonic() - started)
            title = getattr(Benchmark, part).__doc__
            results["parts"][part] = {"title": title, "machine": on, "seconds": seconds, "rows": measured}
            results["parts"][part]["by_setting"] = part in PARTS_BY_SETTING
            results["parts"] = {name: results["parts"][name] for name in PARTS if name in results["parts"]}
            print(f"{part}: {seconds} s", file=sys.stderr, flush=True)
            write_bytes(flags.output / "results.json", (json.dumps(results, indent=2) + "\n").encode())
            write_bytes(flags.page or flags.output / "performance.md", page(results).encode())
    finally:
        product.close()
        pytorch.close()
    print(page(results))


if __name__ == "__main__":
    run(main)
