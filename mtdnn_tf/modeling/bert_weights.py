"""The weights of a BERT encoder by name, in the layout of Hugging Face's BertModel.

One table serves reading and writing: variables of a KerasNLP backbone are reached as objects, never by their own names,
which are not unique.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

import keras_nlp
import numpy as np
import tensorflow as tf

from mtdnn_tf.errors import UserError
from mtdnn_tf.modeling.backbone import BackboneConfig
from mtdnn_tf.modeling.pooling import POOLER


class NamedVariable(NamedTuple):
    """A variable of the backbone and how its array lies in a file.

    Attributes:
        name: Name in Hugging Face's BertModel.
        variable: The backbone's variable.
        stored_shape: Shape of the array in the file.
        is_matrix: Whether the file holds the transposed matrix, [outputs, inputs].
    """

    name: str
    variable: tf.Variable
    stored_shape: tuple[int, ...]
    is_matrix: bool


def named_variables(backbone: keras_nlp.models.BertBackbone) -> Iterator[NamedVariable]:
    """Yields every variable of the backbone with its name and layout in a file.

    Args:
        backbone: The encoder; one of ours with another pooling than "pooler" has no pooler.
    """
    width, inner = backbone.hidden_dim, backbone.intermediate_dim

    def plain(name: str, variable: tf.Variable) -> NamedVariable:
        return NamedVariable(name, variable, (int(np.prod(variable.shape)),), False)

    def table(name: str, variable: tf.Variable) -> NamedVariable:
        return NamedVariable(name, variable, tuple(variable.shape), False)

    def dense(name: str, layer: tf.keras.layers.Layer, inputs: int, outputs: int) -> Iterator[NamedVariable]:
        yield NamedVariable(f"{name}.weight", layer.kernel, (outputs, inputs), True)
        yield plain(f"{name}.bias", layer.bias)

    def norm(name: str, layer: tf.keras.layers.LayerNormalization) -> Iterator[NamedVariable]:
        yield plain(f"{name}.weight", layer.gamma)
        yield plain(f"{name}.bias", layer.beta)

    yield table("embeddings.word_embeddings.weight", backbone.token_embedding.embeddings)
    yield table("embeddings.position_embeddings.weight", backbone.position_embedding.position_embeddings)
    yield table("embeddings.token_type_embeddings.weight", backbone.segment_embedding.embeddings)
    yield from norm("embeddings.LayerNorm", backbone.embeddings_layer_norm)
    for index, block in enumerate(backbone.transformer_layers):
        prefix = f"encoder.layer.{index}"
        attention = block._self_attention_layer
        for part in ("query", "key", "value"):
            yield from dense(f"{prefix}.attention.self.{part}", getattr(attention, f"_{part}_dense"), width, width)
        yield from dense(f"{prefix}.attention.output.dense", attention._output_dense, width, width)
        yield from norm(f"{prefix}.attention.output.LayerNorm", block._self_attention_layer_norm)
        yield from dense(f"{prefix}.intermediate.dense", block._feedforward_intermediate_dense, width, inner)
        yield from dense(f"{prefix}.output.dense", block._feedforward_output_dense, inner, width)
        yield from norm(f"{prefix}.output.LayerNorm", block._feedforward_layer_norm)
    # KerasNLP's own encoders always have a pooler.
    if getattr(backbone, "pooling", POOLER) == POOLER:
        yield from dense("pooler.dense", backbone.pooled_dense, width, width)


def weight_shapes(config: BackboneConfig) -> dict[str, tuple[int, ...]]:
    """Returns the shape of every array of an encoder by name, laid out as in a file, without building it."""
    width, inner = config.hidden_dim, config.intermediate_dim
    shapes: dict[str, tuple[int, ...]] = {
        "embeddings.word_embeddings.weight": (config.vocabulary_size, width),
        "embeddings.position_embeddings.weight": (config.max_positions, width),
        "embeddings.token_type_embeddings.weight": (config.num_segments, width),
    }

    def dense(name: str, inputs: int, outputs: int) -> None:
        shapes[f"{name}.weight"], shapes[f"{name}.bias"] = (outputs, inputs), (outputs,)

    def norm(name: str) -> None:
        shapes[f"{name}.weight"] = shapes[f"{name}.bias"] = (width,)

    norm("embeddings.LayerNorm")
    for index in range(config.num_layers):
        prefix = f"encoder.layer.{index}"
        for part in ("self.query", "self.key", "self.value", "output.dense"):
            dense(f"{prefix}.attention.{part}", width, width)
        norm(f"{prefix}.attention.output.LayerNorm")
        dense(f"{prefix}.intermediate.dense", width, inner)
        dense(f"{prefix}.output.dense", inner, width)
        norm(f"{prefix}.output.LayerNorm")
    if config.pooling == POOLER:
        dense("pooler.dense", width, width)
    return shapes


def check_weights(config: BackboneConfig, arrays: Mapping[str, np.ndarray], source: str) -> None:
    """Refuses arrays that are not those of an encoder, before it is built.

    Args:
        config: The shape of the encoder.
        arrays: Arrays laid out as in a file; names that the encoder does not know are ignored.
        source: Where the arrays came from, for messages.

    Raises:
        UserError: An array is missing, or has another shape than the config asks for.
    """
    for name, shape in weight_shapes(config).items():
        if name not in arrays:
            raise UserError(f"{source}: weight {name} is missing; an encoder of BERT's architecture is needed")
        if arrays[name].shape != shape:
            raise UserError(f"{source}: weight {name} has shape {arrays[name].shape}, the config asks for {shape}")


def read_weights(backbone: keras_nlp.models.BertBackbone) -> dict[str, np.ndarray]:
    """Returns the backbone's weights as float32 arrays by name, laid out as in a file."""
    arrays = {}
    for name, variable, shape, is_matrix in named_variables(backbone):
        value = variable.numpy().astype(np.float32)
        arrays[name] = np.ascontiguousarray(value.reshape(shape[::-1]).T if is_matrix else value.reshape(shape))
    return arrays


def assign_weights(backbone: keras_nlp.models.BertBackbone, arrays: Mapping[str, np.ndarray], source: str) -> None:
    """Assigns arrays to the backbone's variables by name.

    Args:
        backbone: The encoder to fill.
        arrays: Arrays laid out as in a file; names that the encoder does not know are ignored.
        source: Where the arrays came from, for messages.

    Raises:
        UserError: An array is missing or has another shape than the encoder needs.
    """
    for name, variable, shape, is_matrix in named_variables(backbone):
        if name not in arrays:
            raise UserError(f"{source}: weight {name} is missing; an encoder of BERT's architecture is needed")
        array = np.asarray(arrays[name])
        if array.shape != shape:
            raise UserError(f"{source}: weight {name} has shape {array.shape}, the config asks for {shape}")
        value = (array.T if is_matrix else array).reshape(variable.shape)
        variable.assign(value.astype(np.float32))
