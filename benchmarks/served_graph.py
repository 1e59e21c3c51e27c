"""What the time of an exported model's answer goes to, on one thread, and beside ONNX Runtime.

python -m benchmarks.served_graph VERSION [VERSION...] [--lengths=16,32,64]

Prints how many operations TensorFlow runs for the signature for token ids after it has optimized the graph, the time of
each type, and the processor time of an answer by every version in turn; if a version also has an ONNX model, that of
ONNX Runtime too. It measures processor time of one thread, because other work on the machine disturbs that least.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.one_thread import Arrays, OnnxSession, SavedModelSession
from mtdnn_tf.modeling.multi_task_model import INPUTS
from mtdnn_tf.serving.layout import ONNX_MODEL

_ROUNDS, _REPEATS = 15, 6
# Ids that every vocabulary has; the time does not depend on them.
_TOKEN_IDS = 100


def _inputs(length: int) -> Arrays:
    ids = np.random.default_rng(0).integers(_TOKEN_IDS, size=(1, length)).astype(np.int32)
    return dict(zip(INPUTS, (ids, np.zeros_like(ids), np.ones_like(ids))))


def main() -> None:
    """Prints the measurements."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("versions", nargs="+", type=Path)
    parser.add_argument("--lengths", default="16,32,64")
    flags = parser.parse_args()
    lengths = [int(length) for length in flags.lengths.split(",")]
    engines: dict[str, Callable[[Arrays], Any]] = {}
    for folder in flags.versions:
        model = engines[str(folder)] = SavedModelSession(folder)
        number, micros = model.operations(_inputs(lengths[0]))
        print(f"{folder}: {sum(number.values())} operations, {sum(micros.values()):.0f} microseconds within them")
        for kind, value in micros.most_common():
            print(f"  {kind:<20} {number[kind]:>4} {value:>8.0f}")
        if (folder / ONNX_MODEL).is_file():
            engines[f"{folder}, ONNX"] = OnnxSession(folder / ONNX_MODEL)
    for length in lengths:
        inputs = _inputs(length)
        times: dict[str, list[float]] = {name: [] for name in engines}
        for _ in range(_ROUNDS):
            for name, engine in engines.items():
                engine(inputs)
                for _ in range(_REPEATS):
                    started = time.process_time()
                    engine(inputs)
                    times[name].append(1000 * (time.process_time() - started))
        for name, values in times.items():
            print(f"length {length}, {name}: {min(values):.2f} ms, median {statistics.median(values):.2f}")


if __name__ == "__main__":
    main()
