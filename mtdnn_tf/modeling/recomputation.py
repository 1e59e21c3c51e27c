"""Activations of the encoder's layers, computed again in the backward pass instead of kept (arXiv 1604.06174)."""

from __future__ import annotations

import functools
from typing import Any

import keras_nlp
import tensorflow as tf

from mtdnn_tf.modeling.random_state import dropout_generators


def recompute_activations(backbone: keras_nlp.models.BertBackbone) -> None:
    """Makes every Transformer layer keep its input alone in training.

    Its dropout draws the same numbers again: the generators are set back to where they stood before the layer.

    Args:
        backbone: The encoder, changed in place.
    """
    for layer in backbone.transformer_layers:
        layer.call = functools.partial(_recomputed_call, layer.call, layer)


def _recomputed_call(call: Any, layer: tf.keras.layers.Layer, inputs: tf.Tensor, **arguments: Any) -> tf.Tensor:
    if not arguments.get("training"):
        return call(inputs, **arguments)
    generators = dropout_generators(layer)
    states = [_read(generator) for generator in generators]
    is_recomputed = False

    def run(inputs: tf.Tensor) -> tf.Tensor:
        nonlocal is_recomputed
        if not is_recomputed:
            is_recomputed = True
            return call(inputs, **arguments)
        now = [_read(generator) for generator in generators]
        _write(generators, states)
        outputs = call(inputs, **arguments)
        _write(generators, now)
        return outputs

    return tf.recompute_grad(run)(inputs)


def _read(generator: tf.random.Generator) -> tf.Tensor:
    # The handle is the replica's own, which a distributed variable's read and assign are not.
    return tf.raw_ops.ReadVariableOp(resource=generator.state.handle, dtype=generator.state.dtype)


def _write(generators: list[tf.random.Generator], states: list[tf.Tensor]) -> None:
    for generator, state in zip(generators, states):
        tf.raw_ops.AssignVariableOp(resource=generator.state.handle, value=state)
