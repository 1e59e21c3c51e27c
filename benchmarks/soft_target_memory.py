"""Measures the memory and time of joining soft targets to training by the number of rows, in a process per measurement.

python -m benchmarks.soft_target_memory --output=FOLDER [--rows=1000000] [--labels=20] [--before=CHECKOUT]

Writes made-up soft targets of so many rows to the folder, as one folder and in 16 shards, joins them to a split whose
rows are in another order, and asks for 1,000 batches of 32 rows. With `--before`, one folder is joined by another
checkout, too.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np

_SHARDS, _BATCHES, _BATCH_SIZE = 16, 1000, 32
_SECONDS_BETWEEN_LOOKS = 0.02
_FINGERPRINT = "0" * 64


def main() -> None:
    """Measures each store, or, as a worker, one of them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, required=True, help="folder of the soft targets")
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--labels", type=int, default=20)
    parser.add_argument("--before", type=Path, help="another checkout")
    parser.add_argument("--worker", choices=("one", "shards"), help="used by the command itself")
    flags = parser.parse_args()
    if flags.worker:
        print(json.dumps(_join(flags.output / flags.worker, flags.rows, flags.labels)))
        return
    _write(flags.output, flags.rows, flags.labels)
    own = Path(__file__).resolve().parents[1]
    measured = [("one", own), ("shards", own), *([("one", flags.before)] if flags.before else [])]
    print("| store | code | processor time, s | anonymous memory, MB: peak | kept | 1,000 batches, s |")
    print("|---|---|---:|---:|---:|---:|")
    for store, checkout in measured:
        command = [sys.executable, __file__, *sys.argv[1:], f"--worker={store}"]
        environment = {**os.environ, "PYTHONPATH": str(checkout), "TF_CPP_MIN_LOG_LEVEL": "2"}
        done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, check=True, text=True)
        found = json.loads(done.stdout.splitlines()[-1])
        peak, kept = (found[name] / 1024 for name in ("peak_kb", "kept_kb"))
        code = "now" if checkout == own else "before"
        line = f"| {store} | {code} | {found['seconds']:.1f} | {peak:.0f} | {kept:.0f} | {found['batch_seconds']:.2f} |"
        print(line, flush=True)


def _task(labels: int) -> Any:
    from mtdnn_tf.tasks.task import SplitFile, Task

    names = tuple(f"label{number}" for number in range(labels))
    files = {"train": SplitFile("train.tsv")}
    return Task(
        name="made_up", kind="classification", text=("text",), labels=names, metrics=("accuracy",), files=files, id="id"
    )


def _write(folder: Path, rows: int, labels: int) -> None:
    from mtdnn_tf.data.streaming.row_sum import RowSum, json_row
    from mtdnn_tf.distillation.scored_rows import ScoredRows
    from mtdnn_tf.distillation.soft_targets import ScoredSplit, shared_fields, write_soft_targets
    from mtdnn_tf.distillation.target_shards import write_manifest_over_all, write_shard

    task, numbers = _task(labels), np.random.default_rng(0)
    repeated = numbers.dirichlet(np.ones(labels), 1000).astype(np.float32)
    predictions, variances = repeated[np.arange(rows) % 1000], np.full(rows, 0.01, np.float32)
    # An odd factor gives each number below 2^32 another one.
    ids = [f"{row * 2654435761 % 2**32:08x}" for row in range(rows)]
    teachers = [{"run": name, "weights_sha256": "00", "weight": 1.0} for name in ("one", "two")]
    split = ScoredSplit("train", ids, _FINGERPRINT)
    write_soft_targets(folder / "one" / task.name, task, split, predictions, teachers, variances)
    shared, total, names = shared_fields(task, "train", teachers, {}), RowSum(), []
    for number in range(_SHARDS):
        own, part = slice(rows * number // _SHARDS, rows * (number + 1) // _SHARDS), RowSum()
        part.add(json_row([example_id, "text", None]) for example_id in ids[own])
        total.add_sum(part.hexdigest())
        names.append(f"shard-{number:02d}")
        shard = folder / "shards" / task.name / names[-1]
        shard.mkdir(parents=True, exist_ok=True)
        write_shard(shard, ScoredRows(ids[own], predictions[own], variances[own]), part.hexdigest(), shared)
    details = {"data_fingerprint": _FINGERPRINT}
    write_manifest_over_all(folder / "shards" / task.name, names, shared, total.hexdigest(), details)
    with (folder / "ids.txt").open("w") as file:
        file.writelines(f"{ids[row]}\n" for row in numbers.permutation(rows))


def _join(folder: Path, rows: int, labels: int) -> dict[str, float]:
    """Joins soft targets; returns processor time and anonymous memory beyond that before."""
    from mtdnn_tf.data.encoded_split import EncodedSplit
    from mtdnn_tf.data.streaming.text_lines import TextLines
    from mtdnn_tf.distillation.soft_targets import find_soft_targets
    from mtdnn_tf.training.inputs.task_inputs import task_inputs

    task, counts = _task(labels), np.zeros(rows, np.int32)
    encoded = EncodedSplit(
        task, "train", TextLines(folder.parent / "ids.txt"), counts, counts, counts, counts, _FINGERPRINT, {}
    )
    before, peak, ended = _anonymous_kb(), [0], threading.Event()

    def look() -> None:
        while not ended.wait(_SECONDS_BETWEEN_LOOKS):
            peak[0] = max(peak[0], _anonymous_kb())

    looking = threading.Thread(target=look)
    looking.start()
    start = time.process_time()
    (targets,) = find_soft_targets([folder], [task]).values()
    inputs = task_inputs(task, encoded, np.arange(rows), targets)
    seconds = time.process_time() - start
    ended.set()
    looking.join()
    kept, numbers = _anonymous_kb(), np.random.default_rng(1)
    start = time.process_time()
    for _ in range(_BATCHES):
        inputs.teacher_logits[numbers.integers(rows, size=_BATCH_SIZE)]
    batch_seconds = time.process_time() - start
    return {
        "seconds": seconds,
        "peak_kb": peak[0] - before,
        "kept_kb": kept - before,
        "batch_seconds": batch_seconds,
    }


def _anonymous_kb() -> int:
    """Returns the anonymous memory of this process: what no file holds."""
    lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("RssAnon:"))


if __name__ == "__main__":
    main()
