"""Batches that Python makes ahead of the step that takes them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

import numpy as np
import tensorflow as tf


def generated_ahead(
    generate: Callable[[], Iterator[dict[str, np.ndarray]]], spec: Mapping[str, tf.TensorSpec], ahead: int
) -> tf.data.Dataset:
    """Returns a generator's batches as a data set that keeps some of them ready.

    With TensorFlow's deterministic operations each batch is made when it is asked for, and none ahead.

    Args:
        generate: Makes the batches, anew for every iteration.
        spec: Shape and type of each feature.
        ahead: Number of batches that are kept ready.
    """
    options = tf.data.Options()
    # There is nothing to tune; and whoever drops an iterator may have to wait until its tuning thread looks again,
    # after a pause that grows to a minute. Every epoch would end with such a wait.
    options.autotune.enabled = False
    dataset = tf.data.Dataset.from_generator(generate, output_signature=dict(spec))
    return dataset.prefetch(ahead).with_options(options)
