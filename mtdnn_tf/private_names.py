"""The only module that uses private names of TensorFlow and Keras; tests/structure_test.py refuses others."""

from __future__ import annotations

from collections.abc import Sequence

import tensorflow as tf


def create_slots(optimizer: tf.keras.optimizers.legacy.Optimizer, variables: Sequence[tf.Variable]) -> None:
    """Makes the slot variables of one of tensorflow-addons' optimizers before its first step.

    A checkpoint's check for what it did not restore, and that for values that are not finite, see existing variables
    only; Keras's legacy optimizers have no public method that makes them. `test_optimizers_of_tensorflow_addons` in
    tests/training/optimization/optimizers_test.py, run where tensorflow-addons is installed, notices if the name goes.
    """
    optimizer._create_all_weights(variables)
