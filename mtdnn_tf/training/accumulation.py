"""The gradient of a batch as a sum over its micro-batches, of which one at a time is in memory."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import tensorflow as tf

# The losses of a batch by name, and the gradient of each variable.
LossesAndGradients = tuple[dict[str, tf.Tensor], list[Any]]
_Function = Callable[[dict[str, tf.Tensor]], LossesAndGradients]


def micro_batch(batch: dict[str, tf.Tensor], index: tf.Tensor, count: int) -> dict[str, tf.Tensor]:
    """Returns one of the parts of a batch that `lay_out` has arranged, cut to its longest row if that is not static."""
    if batch["query"].shape[0] is not None and batch["padding_mask"].shape[1] is not None:
        # XLA slices at a place that is not known beforehand only along whole axes.
        runs = {name: [count, values.shape[0] // count, *values.shape[1:]] for name, values in batch.items()}
        return {name: tf.gather(tf.reshape(values, runs[name]), index) for name, values in batch.items()}
    size = tf.shape(batch["query"])[0] // count
    part = {name: values[index * size : (index + 1) * size] for name, values in batch.items()}
    if batch["padding_mask"].shape[1] is None:
        mask = tf.cast(part["padding_mask"], tf.bool)
        places = tf.range(1, tf.shape(mask)[1] + 1)[tf.newaxis, :]
        longest = tf.reduce_max(tf.where(mask, places, 0))
        for name in ("token_ids", "segment_ids", "padding_mask"):
            part[name] = part[name][:, :longest]
    return part


def sum_over_micro_batches(function: _Function, batch: dict[str, tf.Tensor], count: int) -> LossesAndGradients:
    """Returns the sums of losses and of gradients over the micro-batches of a batch that `lay_out` has arranged.

    An embedding table's gradient stays as sparse as that of the whole batch: the rows of each micro-batch, one after
    the other.
    """
    if count == 1:
        return function(batch)
    # What the first one returns says which gradients are sparse, before the loop is made.
    first = function(micro_batch(batch, tf.constant(0), count))

    def add(index: tf.Tensor, sums: LossesAndGradients) -> tuple[tf.Tensor, LossesAndGradients]:
        return index + 1, _add(sums, function(micro_batch(batch, index, count)))

    # A sparse gradient's number of rows grows.
    grows = tf.TensorShape([None])
    invariants = tf.nest.map_structure(
        lambda part: grows + part.values.shape[1:] if isinstance(part, tf.IndexedSlices) else part.shape, first
    )
    _, sums = tf.while_loop(
        lambda index, _: index < count,
        add,
        (tf.constant(1), first),
        shape_invariants=(tf.TensorShape([]), invariants),
        parallel_iterations=1,
    )
    # The shape of a table is a constant again, which the loop has hidden.
    losses, gradients = sums
    return losses, [
        tf.IndexedSlices(part.values, part.indices, like.dense_shape) if isinstance(part, tf.IndexedSlices) else part
        for part, like in zip(gradients, first[1])
    ]


def sum_in_parallel(function: _Function, batch: dict[str, tf.Tensor], count: int) -> LossesAndGradients:
    """Returns what `sum_over_micro_batches` does, computing all parts at the same time."""
    if count == 1:
        return function(batch)
    return functools.reduce(_add, (function(micro_batch(batch, tf.constant(index), count)) for index in range(count)))


def _add(sums: LossesAndGradients, others: LossesAndGradients) -> LossesAndGradients:
    def add(one: tf.Tensor | tf.IndexedSlices, other: tf.Tensor | tf.IndexedSlices) -> tf.Tensor | tf.IndexedSlices:
        if not isinstance(one, tf.IndexedSlices):
            return one + other
        rows = (tf.concat(pair, axis=0) for pair in ((one.values, other.values), (one.indices, other.indices)))
        return tf.IndexedSlices(*rows, one.dense_shape)

    return tf.nest.map_structure(add, sums, others)
