"""Handing values to the replicas of a strategy."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import tensorflow as tf


def is_one_device(strategy: tf.distribute.Strategy) -> bool:
    """Returns whether a strategy is TensorFlow's default one, which runs functions as they are."""
    with strategy.scope():
        return not tf.distribute.has_strategy()


def to_replicas(strategy: tf.distribute.Strategy, parts: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Returns tensors by name, of which `strategy.run` hands each replica its own.

    Args:
        strategy: Of so many replicas as there are parts.
        parts: Tensors or arrays by name, of each replica.
    """
    if is_one_device(strategy):
        return parts[0]
    return {
        name: strategy.experimental_distribute_values_from_function(
            lambda context, name=name: tf.convert_to_tensor(parts[context.replica_id_in_sync_group][name])
        )
        for name in parts[0]
    }
