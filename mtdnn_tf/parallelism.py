"""How work is spread over processor cores and over the replicas of a strategy."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import tensorflow as tf

# Each part has a copy of the training step's graph, which takes seconds to build, and a set of gradients.
_MAX_PARTS = 8


def use_single_threaded_ops() -> None:
    """Makes TensorFlow run each operation on one thread, whatever the environment says.

    The cores are then shared by operations that run at the same time, which wait less for each other than threads of
    one operation do. It also makes results independent of the number of cores: TensorFlow's sum over a whole tensor, as
    in the gradient norm, depends on the number of threads that share it.

    Has no effect on a machine with a GPU. Must be called before TensorFlow computes anything.
    """
    if not tf.config.list_physical_devices("GPU"):
        tf.config.threading.set_intra_op_parallelism_threads(1)


def num_parallel_parts(rows: int = _MAX_PARTS) -> int:
    """Returns how many parts of a batch to compute in parallel: one per core, at most 8.

    It is 1 on a machine with a GPU, and where operations use several threads: parts would only wait for each other. No
    part is without one of the batch's `rows`.
    """
    if tf.config.list_physical_devices("GPU") or tf.config.threading.get_intra_op_parallelism_threads() != 1:
        return 1
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min(cores, rows, _MAX_PARTS))


def is_one_device(strategy: tf.distribute.Strategy) -> bool:
    """Returns whether a strategy is TensorFlow's default one, which runs functions as they are."""
    with strategy.scope():
        return not tf.distribute.has_strategy()


def to_replicas(strategy: tf.distribute.Strategy, parts: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Returns tensors by name of which `strategy.run` gives each replica those of its part."""
    if is_one_device(strategy):
        return parts[0]
    return {
        name: strategy.experimental_distribute_values_from_function(
            lambda context, name=name: tf.convert_to_tensor(parts[context.replica_id_in_sync_group][name])
        )
        for name in parts[0]
    }
