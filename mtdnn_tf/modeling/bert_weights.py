"""The weights of a BERT encoder: one table of names and shapes, in the layout of Hugging Face's BertModel."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import tensorflow as tf

from mtdnn_tf.errors import UserError
from mtdnn_tf.modeling.backbone import POOLER, BackboneConfig

if TYPE_CHECKING:
    from mtdnn_tf.modeling.encoder import Encoder

WORD_EMBEDDINGS = "embeddings.word_embeddings.weight"
POSITION_EMBEDDINGS = "embeddings.position_embeddings.weight"
SEGMENT_EMBEDDINGS = "embeddings.token_type_embeddings.weight"
EMBEDDINGS_NORM = "embeddings.LayerNorm"
PROJECTION = "embeddings_project"
# Of DeBERTa: a row per bucket of distances between two positions, and their normalization.
RELATIVE_EMBEDDINGS = "encoder.rel_embeddings.weight"
RELATIVE_NORM = "encoder.LayerNorm"
# Of ModernBERT, after the last block.
FINAL_NORM = "encoder.final.LayerNorm"
POOLER_WEIGHTS = ("pooler.dense.weight", "pooler.dense.bias")


class Weight(NamedTuple):
    """One weight of an encoder."""

    name: str  # In Hugging Face's BertModel.
    shape: tuple[int, ...]  # In a file.
    variable_shape: tuple[int, ...]  # Attention's have an axis of heads, as Keras's have.
    is_matrix: bool = False  # Whether the file holds the transposed matrix, [outputs, inputs].

    def to_variable(self, array: np.ndarray) -> np.ndarray:
        """Returns a file's array in the layout of the variable."""
        return (array.T if self.is_matrix else array).reshape(self.variable_shape)

    def to_file(self, value: np.ndarray) -> np.ndarray:
        """Returns a variable's value as float32 in the layout of a file."""
        value = value.astype(np.float32)
        stored = value.reshape(self.shape[::-1]).T if self.is_matrix else value.reshape(self.shape)
        return np.ascontiguousarray(stored)


@dataclasses.dataclass
class NamedVariables:
    """The variables of an encoder that others built, by name."""

    config: BackboneConfig
    named: dict[str, tf.Variable]


def encoder_weights(config: BackboneConfig) -> list[Weight]:
    """Returns every weight of an encoder, in the order of the variables of KerasNLP's BertBackbone."""
    if config.has_modern_blocks:
        return _modern_weights(config)
    width, inner, heads = config.hidden_dim, config.intermediate_dim, config.num_heads
    depth = width // heads
    weights: list[Weight] = []

    def plain(name: str, *shape: int) -> None:
        weights.append(Weight(name, shape, shape))

    def dense(name: str, inputs: int, outputs: int, kernel: tuple[int, ...] = (), bias: tuple[int, ...] = ()) -> None:
        weights.append(Weight(f"{name}.weight", (outputs, inputs), kernel or (inputs, outputs), is_matrix=True))
        weights.append(Weight(f"{name}.bias", (outputs,), bias or (outputs,)))

    def norm(name: str, size: int = width) -> None:
        plain(f"{name}.weight", size)
        plain(f"{name}.bias", size)

    of_embeddings = config.embedding_width
    plain(WORD_EMBEDDINGS, config.vocabulary_size, of_embeddings)
    if config.has_positions:
        plain(POSITION_EMBEDDINGS, config.position_offset + config.max_positions, of_embeddings)
    if config.num_segments:
        plain(SEGMENT_EMBEDDINGS, config.num_segments, of_embeddings)
    norm(EMBEDDINGS_NORM, of_embeddings)
    if config.has_projection:
        dense(PROJECTION, of_embeddings, width)
    if config.position_buckets:
        plain(RELATIVE_EMBEDDINGS, 2 * config.position_buckets, width)
        norm(RELATIVE_NORM)
    for index in range(config.num_own_layers):
        prefix = f"encoder.layer.{index}"
        for part in ("query", "key", "value"):
            dense(f"{prefix}.attention.self.{part}", width, width, (width, heads, depth), (heads, depth))
        dense(f"{prefix}.attention.output.dense", width, width, (heads, depth, width))
        norm(f"{prefix}.attention.output.LayerNorm")
        norm(f"{prefix}.output.LayerNorm")
        dense(f"{prefix}.intermediate.dense", width, inner)
        dense(f"{prefix}.output.dense", inner, width)
    if config.pooling == POOLER:
        dense("pooler.dense", width, width)
    return weights


def _modern_weights(config: BackboneConfig) -> list[Weight]:
    """Returns every weight of ModernBERT: its layers have no biases, and its first layer normalizes no input."""
    width, inner = config.hidden_dim, config.intermediate_dim
    vectors, matrices = [EMBEDDINGS_NORM, FINAL_NORM], {}
    for index in range(config.num_layers):
        prefix = f"encoder.layer.{index}"
        vectors += [f"{prefix}.attention.LayerNorm"] if index else []
        vectors.append(f"{prefix}.intermediate.LayerNorm")
        matrices[f"{prefix}.attention.self.query_key_value"] = width, 3 * width
        matrices[f"{prefix}.attention.output.dense"] = width, width
        # What goes through the activation, then what it is multiplied by.
        matrices[f"{prefix}.intermediate.dense"] = width, 2 * inner
        matrices[f"{prefix}.output.dense"] = inner, width
    plain = {WORD_EMBEDDINGS: (config.vocabulary_size, width), **{f"{name}.weight": (width,) for name in vectors}}
    if config.pooling == POOLER:
        matrices["pooler.dense"] = width, width
        plain["pooler.dense.bias"] = (width,)
    return [
        *(Weight(name, shape, shape) for name, shape in plain.items()),
        *(Weight(f"{name}.weight", shape[::-1], shape, is_matrix=True) for name, shape in matrices.items()),
    ]


def variables_in_order(config: BackboneConfig, variables: Sequence[tf.Variable]) -> NamedVariables:
    """Names the variables of KerasNLP's BertBackbone, given in its own order."""
    names = [weight.name for weight in encoder_weights(config)]
    assert len(names) == len(variables)
    return NamedVariables(config, dict(zip(names, variables)))


def check_weights(
    config: BackboneConfig,
    arrays: Mapping[str, np.ndarray],
    source: str,
    file_name: Callable[[str], str] = lambda name: name,
) -> None:
    """Refuses arrays, laid out as in a file, that lack one of an encoder's, or one of another shape or not finite.

    `file_name` returns what the file calls a weight, for the message.
    """
    for weight in encoder_weights(config):
        what = f"{source}: weight {file_name(weight.name)}"
        if weight.name not in arrays:
            raise UserError(f"{what} is missing; the encoder must have the architecture of {config.model_type}")
        shape = arrays[weight.name].shape
        if shape != weight.shape:
            raise UserError(f"{what} has shape {shape}, the config asks for {weight.shape}")
        if not np.isfinite(arrays[weight.name]).all():
            raise UserError(f"{what} must be finite, has NaN or infinity")


def read_weights(encoder: Encoder | NamedVariables) -> dict[str, np.ndarray]:
    """Returns an encoder's weights as float32 arrays by name, laid out as in a file."""
    return {
        weight.name: weight.to_file(encoder.named[weight.name].numpy()) for weight in encoder_weights(encoder.config)
    }


def assign_weights(encoder: Encoder | NamedVariables, arrays: Mapping[str, np.ndarray]) -> None:
    """Assigns arrays that `check_weights` accepts to an encoder's variables by name."""
    for weight in encoder_weights(encoder.config):
        value = weight.to_variable(np.asarray(arrays[weight.name]))
        encoder.named[weight.name].assign(value.astype(np.float32))
