"""Memory that TensorFlow keeps from one answer to the next."""

from __future__ import annotations

import os

_KEEP = "TF_CPU_ALLOCATOR_USE_BFC"


def keep_memory() -> None:
    """Makes TensorFlow keep what an answer needed for the next one, where the environment does not decide it.

    Otherwise it asks the system for every tensor below 256 KB, the largest of a short text's, and gives it back; to map
    such memory anew takes as long as a matrix product. Counts from TensorFlow's first operation in the process on.
    """
    os.environ.setdefault(_KEEP, "true")
