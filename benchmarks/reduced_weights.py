"""What an export in fewer bits costs and gains: size, memory, development metrics, probabilities, latency.

python -m benchmarks.reduced_weights --run=FOLDER --data_dir=FOLDER --output=FOLDER

Exports that stand in the output folder are measured again, not written again.
"""

from __future__ import annotations

import argparse
import functools
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
import tensorflow_text  # noqa: F401 Registers the tokenizer's operations.

from benchmarks.command_line import InputError, run
from benchmarks.ratios import ratio_of, spread
from mtdnn_tf.data.packing import pack, to_model_inputs
from mtdnn_tf.data.sources.example import Example
from mtdnn_tf.data.sources.files_source import read_file_examples
from mtdnn_tf.evaluation.measures.metrics import compute_metrics
from mtdnn_tf.json_files import write_json
from mtdnn_tf.modeling.checkpoints.model_folder import LoadedModel, load_model
from mtdnn_tf.serving.export import export_model, served_tasks
from mtdnn_tf.serving.reduced_weights import FLOAT32, WEIGHTS
from mtdnn_tf.tasks.task import Task

# (sequences in a request, word pieces of each, requests of a round).
_SHAPES = ((1, 32, 20), (32, 64, 3))
_BATCH = 32

# Memory of a process that has loaded an export and answered, less that of one that has only imported TensorFlow.
_MEMORY = """
import sys
import tensorflow as tf
import tensorflow_text

def resident():
    return int(next(line for line in open("/proc/self/status") if line.startswith("VmRSS")).split()[1]) / 1024

tf.constant(1) + 1
before = resident()
model = tf.saved_model.load(sys.argv[1])
inputs = {name: tf.ones([1, 32], tf.int32) for name in ("token_ids", "segment_ids", "padding_mask")}
for _ in range(5):
    model.signatures["tokens"](**inputs)
print(resident() - before)
"""


def _rows(task: Task, folder: Path, count: int) -> list[Example]:
    return read_file_examples(task, task.evaluation_splits[0], folder)[: count or None]


def _gold(task: Task, rows: list[Example]) -> np.ndarray:
    return task.kind_object.label_array(task, [row.label for row in rows])


def _by_python(loaded: LoadedModel, task: Task, rows: list[Example]) -> np.ndarray:
    """Returns probabilities, or scores in one column, of the Python model."""
    found = []
    for start in range(0, len(rows), _BATCH):
        part = rows[start : start + _BATCH]
        first = loaded.tokenizer.tokenize(tf.constant([row.text_a for row in part]))
        second = loaded.tokenizer.tokenize(tf.constant([row.text_b for row in part])) if task.is_pair else None
        inputs = to_model_inputs(pack(first, second, loaded.tokenizer, loaded.max_sequence_length))
        logits = loaded.model.task_logits(inputs, task.head_task)
        found.append(np.asarray(task.kind_object.row_outputs(logits)))
    return np.concatenate(found)


def _by_export(signature: Callable[..., dict[str, tf.Tensor]], task: Task, rows: list[Example]) -> np.ndarray:
    found = []
    for start in range(0, len(rows), _BATCH):
        part = rows[start : start + _BATCH]
        texts = {"text_a": tf.constant([row.text_a for row in part])}
        if task.is_pair:
            texts["text_b"] = tf.constant([row.text_b for row in part])
        answer = signature(**texts)
        found.append(answer["probabilities"].numpy() if task.labels else answer["score"].numpy()[:, None])
    return np.concatenate(found)


def _quality(loaded: LoadedModel, models: dict[str, Any], task: Task, folder: Path, count: int) -> dict[str, Any]:
    """Returns metrics of the Python model and the exports, and the exports' largest differences from it."""
    rows = _rows(task, folder, count)
    gold, expected = _gold(task, rows), _by_python(loaded, task, rows)
    found: dict[str, Any] = {"task": task.name, "rows": len(rows), "python": compute_metrics(task, expected, gold)}
    for weights, model in models.items():
        values = _by_export(model.signatures[task.name], task, rows)
        found[weights] = {
            "metrics": compute_metrics(task, values, gold),
            "largest_difference": float(np.abs(values - expected).max()),
        }
        if task.kind_object.has_one_label:
            found[weights]["other_labels"] = int((values.argmax(axis=1) != expected.argmax(axis=1)).sum())
    return found


def _milliseconds(signature: Callable[..., Any], batch: int, length: int, requests: int) -> float:
    tensors = {name: tf.ones([batch, length], tf.int32) for name in ("token_ids", "segment_ids", "padding_mask")}
    times = []
    for _ in range(requests):
        start = time.perf_counter()
        for value in signature(**tensors).values():
            value.numpy()
        times.append(1000 * (time.perf_counter() - start))
    return statistics.median(times)


def _latency(models: dict[str, Any], repeats: int) -> list[dict[str, Any]]:
    """Returns the latency of `tokens` in rounds that take the exports in turn, and its ratio to float32's."""
    found = []
    for batch, length, requests in _SHAPES:
        measure = functools.partial(_milliseconds, batch=batch, length=length, requests=requests)
        for model in models.values():
            measure(model.signatures["tokens"])
        rounds = [{name: measure(model.signatures["tokens"]) for name, model in models.items()} for _ in range(repeats)]
        at = f"batch {batch}, length {length}"
        for weights in models:
            values = [of_round[weights] for of_round in rounds]
            found.append(spread(f"{at}: {weights}, ms", values))
            if weights != FLOAT32:
                found.append(ratio_of(f"{at}: {weights} to float32", values, [one[FLOAT32] for one in rounds]))
    return found


def _megabytes(folder: Path) -> float:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) / 1e6


def _resident(folder: Path) -> float:
    ran = subprocess.run([sys.executable, "-c", _MEMORY, str(folder)], capture_output=True, text=True, check=True)
    return float(ran.stdout)


def main() -> None:
    """Exports, measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run", type=Path, required=True, help="folder of a trained run")
    parser.add_argument("--data_dir", type=Path, required=True, help="folder of the tasks' files")
    parser.add_argument("--output", type=Path, required=True, help="folder of the exports and of reduced_weights.json")
    parser.add_argument("--rows", type=int, default=0, help="development rows of each task; 0 for all")
    parser.add_argument("--repeats", type=int, default=5, help="rounds of latencies")
    flags = parser.parse_args()
    if flags.rows < 0 or flags.repeats < 1:
        raise InputError(f"--rows takes 0 or more, --repeats 1 or more, {flags.rows} and {flags.repeats} given")
    loaded = load_model(flags.run)
    # A ranking's metrics need whole lists of candidates, which its server's clients put together.
    tasks = [task for task in served_tasks(loaded) if not task.kind_object.has_queries]
    folders = {weights: flags.output / weights / "1" for weights in WEIGHTS}
    for weights, folder in folders.items():
        if not folder.is_dir():
            export_model(loaded, folder, batch_sizes=(), weights=weights)
    models = {weights: tf.saved_model.load(str(folder)) for weights, folder in folders.items()}
    results: dict[str, Any] = {
        "megabytes": {weights: _megabytes(folder) for weights, folder in folders.items()},
        "resident_megabytes": {weights: _resident(folder) for weights, folder in folders.items()},
    }
    for what, sizes in results.items():
        print(what, "  ".join(f"{weights} {value:.1f}" for weights, value in sizes.items()), flush=True)
    results["latency"] = _latency(models, flags.repeats)
    for row in results["latency"]:
        print(f"{row['what']}: {row['median']:.3f} ({row['low']:.3f} to {row['high']:.3f})", flush=True)
    results["quality"] = []
    for task in tasks:
        row = _quality(loaded, models, task, flags.data_dir, flags.rows)
        _print_quality(row)
        results["quality"].append(row)
    write_json(flags.output / "reduced_weights.json", results)


def _print_quality(row: dict[str, Any]) -> None:
    for name, value in row["python"].items():
        exported = "  ".join(f"{weights} {row[weights]['metrics'][name]:.4f}" for weights in WEIGHTS)
        print(f"{row['task']} ({row['rows']} rows) {name}: Python {value:.4f}  {exported}")
    for what in ("largest_difference", "other_labels"):
        if what in row[FLOAT32]:
            values = "  ".join(f"{weights} {row[weights][what]:.2g}" for weights in WEIGHTS)
            print(f"{row['task']} {what}: {values}", flush=True)


if __name__ == "__main__":
    run(main)
