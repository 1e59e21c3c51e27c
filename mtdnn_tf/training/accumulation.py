"""The gradient of a batch as a sum over its micro-batches, of which one at a time is in memory."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import tensorflow as tf

# The losses of a batch by name, and the gradient of each variable.
LossesAndGradients = tuple[dict[str, tf.Tensor], list[Any]]


def micro_batch(batch: dict[str, tf.Tensor], index: tf.Tensor, count: int) -> dict[str, tf.Tensor]:
    """Returns one of the parts of a batch whose rows `lay_out` has arranged.

    Where the length of the rows is not static, they are cut to the longest row of the part.
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
        batch: Features whose rows `lay_out` has arranged in `count` parts.
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


def sum_in_parallel(
    function: Callable[[dict[str, tf.Tensor]], LossesAndGradients], batch: dict[str, tf.Tensor], count: int
) -> LossesAndGradients:
    """Returns what `sum_over_micro_batches` does, computing all parts at the same time.

    Args:
        function: Returns losses and gradients of a part.
        batch: Features whose rows `lay_out` has arranged in `count` parts.
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
