"""Gradients that TensorFlow would keep for good."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from tensorflow.python.framework import ops

_PREFIX = "CustomGradient-"


@contextlib.contextmanager
def forgotten_gradients() -> Iterator[None]:
    """Forgets after the block what `tf.custom_gradient` registered in it.

    In a graph TensorFlow registers the gradient of every call under a name of its own and never lets go of it, nor of
    the graph that it belongs to, nor of the weights that the graph reads: a model of every training stays in memory.
    Graphs that are traced within the block differentiate nothing after it.
    """
    registered: dict[str, object] = ops.gradient_registry._registry
    before = set(registered)
    try:
        yield
    finally:
        for name in [name for name in registered if name.startswith(_PREFIX) and name not in before]:
            del registered[name]
