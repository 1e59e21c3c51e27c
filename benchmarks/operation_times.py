"""Which operations the time of TensorFlow's functions goes to."""

from __future__ import annotations

import collections
import re
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import tensorflow as tf
from tensorflow.tsl.profiler.protobuf import xplane_pb2

# An operation's event is its name in the graph and its type; others, such as `ExecutorState::Process`, are around them.
_OPERATION = re.compile(r"[^:]+:(\w+)")
# Their time is that of the operations within, or of waiting for a batch.
_AROUND_OTHERS = re.compile("Case|If|While|PartitionedCall|Iterator|Dataset")
MATRIX_PRODUCTS = "matrix products"
_GROUPS = (
    (MATRIX_PRODUCTS, re.compile("MatMul|Einsum")),
    ("the optimizer's sweeps", re.compile("ResourceApply|ResourceScatter|L2Loss")),
    ("random numbers", re.compile("Random")),
    ("gathering and sums of embeddings", re.compile("Gather|SegmentSum|Unique|ScatterNd")),
    ("transposing and copying", re.compile("Transpose|Concat|Split|Slice|Tile|Pack|Copy")),
    ("all else, element by element", re.compile("")),
)


def operation_seconds(function: Callable[[], Any]) -> dict[str, float]:
    """Returns the seconds of each type of operation while a function runs, on all threads together.

    Args:
        function: Calls functions of TensorFlow, and ends when they have.
    """
    seconds: collections.Counter[str] = collections.Counter()
    with tempfile.TemporaryDirectory() as folder:
        with tf.profiler.experimental.Profile(folder):
            function()
        for path in Path(folder).rglob("*.xplane.pb"):
            space = xplane_pb2.XSpace()
            space.ParseFromString(path.read_bytes())
            for plane in space.planes:
                for line in plane.lines:
                    for event in line.events:
                        found = _OPERATION.fullmatch(plane.event_metadata[event.metadata_id].name)
                        if found and not _AROUND_OTHERS.search(found[1]):
                            seconds[found[1]] += event.duration_ps / 1e12
    return dict(seconds)


def shares(seconds: dict[str, float]) -> dict[str, float]:
    """Returns the shares of groups of operations in the time of all, from `operation_seconds`."""
    grouped = dict.fromkeys((name for name, _ in _GROUPS), 0.0)
    for operation, value in seconds.items():
        grouped[next(name for name, pattern in _GROUPS if pattern.search(operation))] += value
    return {name: value / sum(seconds.values()) for name, value in grouped.items()}
