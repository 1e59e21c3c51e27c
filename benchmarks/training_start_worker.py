"""A process that trains one step and prints what it took as JSON; run as a file, with a checkout on PYTHONPATH."""

from __future__ import annotations

import argparse
import contextlib
import json
import resource
import time
from pathlib import Path
from typing import Any

import tensorflow as tf

from mtdnn_tf.training.config import TrainingConfig
from mtdnn_tf.training.run import train


class _FirstStep(Exception):
    """Ends a training after its first step."""


class _StopAfterFirstStep(tf.keras.callbacks.Callback):
    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        raise _FirstStep


def main() -> None:
    """Trains on the rows of an encoded split until the first step is made."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("task_file", "cache_dir", "output_dir"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    parser.add_argument("--backbone", required=True)
    parser.add_argument("--max_sequence_length", type=int, required=True)
    flags = vars(parser.parse_args())
    given = {**flags, "task_file": (flags["task_file"],)}
    start, before = time.monotonic(), time.process_time()
    with contextlib.suppress(_FirstStep):
        train(TrainingConfig.build(**given, epochs=1, evaluation="never"), callbacks=[_StopAfterFirstStep()])
    used = {"seconds": time.monotonic() - start, "processor_seconds": time.process_time() - before}
    print(json.dumps({**used, "peak_kb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss}), flush=True)


if __name__ == "__main__":
    main()
