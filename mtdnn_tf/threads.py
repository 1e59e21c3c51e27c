"""How TensorFlow shares two processor cores."""

from __future__ import annotations

import os

import tensorflow as tf

_CORES = 2
_SETTINGS = ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS")


def give_operations_a_core_each() -> None:
    """Has each operation computed by one core, so that cores do not wait for each other within it.

    All cores are then busy when parts of the work are computed side by side. With two threads an operation, as
    TensorFlow has it, they lose an eighth of their time to waiting. Changes nothing where there are not two cores, or a
    GPU, or where the environment says how many threads there are.

    Must be called before TensorFlow computes anything.
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    if cores != _CORES or any(name in os.environ for name in _SETTINGS) or tf.config.list_physical_devices("GPU"):
        return
    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(_CORES)


def operations_at_once() -> int:
    """Returns how many parts of the work, side by side, keep all cores busy: 1 where each operation does."""
    if tf.config.threading.get_intra_op_parallelism_threads() != 1:
        return 1
    return max(1, tf.config.threading.get_inter_op_parallelism_threads())
