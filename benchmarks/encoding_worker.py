"""A process that encodes one split and prints what it took as JSON; run as a file, with a checkout on PYTHONPATH."""

from __future__ import annotations

import argparse
import json
import resource
import time
from pathlib import Path

from mtdnn_tf.data.encoding import EncodedData
from mtdnn_tf.data.sources.source import DataSource
from mtdnn_tf.data.word_pieces import WordPieceTokenizer
from mtdnn_tf.tasks.task import SplitFile, Task

_LENGTH = 64


def main() -> None:
    """Encodes a small split, which traces the graph, and then the one that is measured."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--cache", type=Path, required=True)
    parser.add_argument("--file", required=True)
    parser.add_argument("--warm_up", required=True)
    parser.add_argument("--vocabulary", type=Path, required=True)
    parser.add_argument("--id", required=True)
    flags = parser.parse_args()
    files = {"warm_up": SplitFile(flags.warm_up), "train": SplitFile(flags.file)}
    task = Task("mood", "classification", ("text",), ("bad", "good"), ("accuracy",), files=files, id=flags.id)
    tokenizer = WordPieceTokenizer(flags.vocabulary.read_text(encoding="utf-8").split("\n")[:-1], lowercase=True)
    data = EncodedData(DataSource("files", flags.data), tokenizer, _LENGTH, flags.cache)
    data.split(task, "warm_up")
    start, before = time.monotonic(), time.process_time()
    encoded = data.split(task, "train")
    used = {"seconds": time.monotonic() - start, "processor_seconds": time.process_time() - before}
    found = {"rows": len(encoded), "tokens": len(encoded.token_ids), "fingerprint": encoded.data_fingerprint}
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(json.dumps({**found, **used, "peak_kb": peak}), flush=True)


if __name__ == "__main__":
    main()
