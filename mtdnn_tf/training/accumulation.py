"""The gradient of a batch as a sum over its micro-batches, of which one at a time is in memory."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf

# The losses of a batch by name, and the gradient of each variable.
LossesAndGradients = tuple[dict[str, tf.Tensor], list[Any]]


def arrange_micro_batches(batch: dict[str, np.ndarray], count: int) -> dict[str, np.ndarray]:
    """Orders the rows of a batch so that `count` equally long runs of them are its micro-batches.

    A query's candidates stay in one run; other rows keep their order, in which rows of like length are neighbours.
    Runs are filled up with rows of weight 0.

    Args:
        batch: Features [rows, ...], `query` and `example_weight` among them.
        count: Number of micro-batches, 1 or more.

    Returns:
        The features, of a number of rows that `count` divides.
    """
    if count == 1:
        return batch
    query = np.where(batch["example_weight"] > 0, batch["query"], -1 - np.arange(len(batch["query"])))
    _, number, sizes = np.unique(query, return_inverse=True, return_counts=True)
    if sizes.max() == 1:
        run = -(-len(query) // count)
        runs = [np.arange(start, min(start + run, len(query))) for start in range(0, count * run, run)]
    else:
        runs = _deal(number, sizes, count)
    run = max(map(len, runs))
    is_real = np.concatenate([np.arange(run) < len(rows) for rows in runs])
    rows = np.full(count * run, len(query) - 1)
    rows[is_real] = np.concatenate(runs)
    arranged = {name: values[rows] for name, values in batch.items()}
    arranged["example_weight"] = np.where(is_real, arranged["example_weight"], 0.0).astype(np.float32)
    # A repeated row is no candidate of the query that it is taken from.
    arranged["query"] = np.where(is_real, arranged["query"], batch["query"].max() + 1).astype(np.int32)
    return arranged


def _deal(number: np.ndarray, sizes: np.ndarray, count: int) -> list[np.ndarray]:
    """Returns the rows of each run: the fullest queries first, each to the emptiest run."""
    runs: list[list[np.ndarray]] = [[np.zeros(0, np.int64)] for _ in range(count)]
    filled = np.zeros(count, np.int64)
    for query in np.argsort(-sizes, kind="stable"):
        emptiest = int(np.argmin(filled))
        runs[emptiest].append(np.flatnonzero(number == query))
        filled[emptiest] += sizes[query]
    return [np.concatenate(rows) for rows in runs]


def micro_batch(batch: dict[str, tf.Tensor], index: tf.Tensor, count: int) -> dict[str, tf.Tensor]:
    """Returns one of the micro-batches of a batch that `arrange_micro_batches` has arranged.

    Where the length of the batch's rows is not static, they are cut to the longest of the micro-batch.
    """
    if batch["query"].shape[0] is not None and batch["padding_mask"].shape[1] is not None:
        # XLA slices at a place that is not known beforehand along whole axes alone.
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


def sum_over_micro_batches(
    function: Callable[[dict[str, tf.Tensor]], LossesAndGradients], batch: dict[str, tf.Tensor], count: int
) -> LossesAndGradients:
    """Returns the sums of losses and of gradients over the micro-batches of a batch.

    An embedding table's gradient stays as sparse as that of the whole batch: the rows of each micro-batch, one after
    the other.

    Args:
        function: Returns losses and gradients of a micro-batch.
        batch: Features whose rows `arrange_micro_batches` has arranged.
        count: Number of micro-batches.
    """
    if count == 1:
        return function(batch)
    # What the first one returns says which gradients are sparse, before the loop is made.
    losses, first = function(micro_batch(batch, tf.constant(0), count))
    state: dict[str, Any] = {"losses": losses, "gradients": [_unpack(gradient) for gradient in first]}

    def add(index: tf.Tensor, sums: dict[str, Any]) -> tuple[tf.Tensor, dict[str, Any]]:
        losses, gradients = function(micro_batch(batch, index, count))
        return index + 1, {
            "losses": {name: sums["losses"][name] + loss for name, loss in losses.items()},
            "gradients": [_add(total, gradient) for total, gradient in zip(sums["gradients"], gradients)],
        }

    invariants = {
        "losses": {name: loss.shape for name, loss in losses.items()},
        "gradients": [_shapes(parts) for parts in state["gradients"]],
    }
    _, sums = tf.while_loop(
        lambda index, _: index < count,
        add,
        (tf.constant(1), state),
        shape_invariants=(tf.TensorShape([]), invariants),
        parallel_iterations=1,
    )
    return sums["losses"], [_pack(parts, gradient) for parts, gradient in zip(sums["gradients"], first)]


def sum_side_by_side(
    function: Callable[[dict[str, tf.Tensor]], LossesAndGradients], batch: dict[str, tf.Tensor], count: int
) -> LossesAndGradients:
    """Returns what `sum_over_micro_batches` does of parts that are all computed at the same time.

    Args:
        function: Returns losses and gradients of a part.
        batch: Features whose rows `arrange_micro_batches` has arranged.
        count: Number of parts.
    """
    if count == 1:
        return function(batch)
    losses, first = function(micro_batch(batch, tf.constant(0), count))
    sums = [_unpack(gradient) for gradient in first]
    for index in range(1, count):
        more, gradients = function(micro_batch(batch, tf.constant(index), count))
        losses = {name: losses[name] + loss for name, loss in more.items()}
        sums = [_add(total, gradient) for total, gradient in zip(sums, gradients)]
    return losses, [_pack(parts, gradient) for parts, gradient in zip(sums, first)]


def _unpack(gradient: Any) -> list[tf.Tensor]:
    return [gradient.values, gradient.indices] if isinstance(gradient, tf.IndexedSlices) else [gradient]


def _shapes(parts: list[tf.Tensor]) -> list[tf.TensorShape]:
    """Returns the shapes that the loop keeps; a sparse gradient's number of rows grows."""
    if len(parts) == 1:
        return [parts[0].shape]
    return [tf.TensorShape([None]).concatenate(part.shape[1:]) for part in parts]


def _pack(parts: list[tf.Tensor], like: Any) -> Any:
    return tf.IndexedSlices(*parts, like.dense_shape) if len(parts) == 2 else parts[0]


def _add(total: list[tf.Tensor], gradient: Any) -> list[tf.Tensor]:
    if len(total) == 2:
        return [tf.concat([one, other], axis=0) for one, other in zip(total, _unpack(gradient))]
    return [total[0] + gradient]
