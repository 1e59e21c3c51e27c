"""Task heads as safetensors, their arrays named by the head's layers."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import tensorflow as tf
from safetensors.numpy import save_file

from mtdnn_tf.errors import UserError
from mtdnn_tf.modeling.checkpoints.pretrained import read_safetensors


def head_arrays(head: tf.keras.layers.Layer) -> dict[str, tf.Variable]:
    """Returns a head's weights by "<layer>.<weight>", such as "logits.kernel".

    Keras's layer names depend on the layers built before.
    """
    layers = {name: value for name, value in vars(head).items() if isinstance(value, tf.keras.layers.Layer)}
    named = {
        f"{name}.{variable.name.rpartition('/')[2].partition(':')[0]}": variable
        for name, layer in sorted(layers.items())
        for variable in layer.weights
    }
    assert {id(variable) for variable in named.values()} == {id(variable) for variable in head.weights}
    return named


def write_heads(heads: Mapping[str, tf.keras.layers.Layer], folder: Path) -> None:
    """Writes one file per head, `<task>.safetensors`."""
    folder.mkdir()
    for name, head in heads.items():
        arrays = {key: np.ascontiguousarray(variable.numpy()) for key, variable in head_arrays(head).items()}
        save_file(arrays, folder / f"{name}.safetensors")


def read_heads(heads: Mapping[str, tf.keras.layers.Layer], folder: Path) -> None:
    """Reads the weights of built heads from the files of `write_heads`."""
    for name, head in heads.items():
        path = folder / f"{name}.safetensors"
        arrays = read_safetensors(path, "copy the release again")
        variables = head_arrays(head)
        expected = {key: tuple(variable.shape) for key, variable in variables.items()}
        given = {key: array.shape for key, array in arrays.items()}
        if given != expected:
            raise UserError(f"{path}: arrays must be {expected}, got {given}; copy the release again")
        for key, variable in variables.items():
            variable.assign(arrays[key])
