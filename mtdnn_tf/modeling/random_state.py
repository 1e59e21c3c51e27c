"""The random generators behind a model's dropout, which a checkpoint must hold for an exact resume."""

from __future__ import annotations

import tensorflow as tf


def dropout_generators(model: tf.keras.Model) -> list[tf.random.Generator]:
    """Returns the generator of every dropout layer, in the order of the layers.

    Keras shows neither nested layers nor a layer's generator publicly.
    """
    generators = []
    for layer in model._flatten_layers():
        keras_generator = getattr(layer, "_random_generator", None)
        generator = getattr(keras_generator, "_generator", None)
        if generator is not None:
            generators.append(generator)
    return generators
