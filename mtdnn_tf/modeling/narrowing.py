"""A narrower encoder out of a wide one, for a student that begins with what its width can hold of a trained encoder.

States x of the wide encoder, of width H, become x P, of width N. P [H, N] has orthonormal columns: the N directions
that hold most of the states that all layers have for some texts (truncated SVD). Weights that read states are
multiplied by P from the right, those that write states by its transpose from the left.

LayerNorm commutes with no projection. Four things keep it close. One of the directions of P is that of the states'
mean, and is mapped to the mean of the narrow states, so that subtracting the mean commutes. Within the N directions, P
is rotated to be as near as possible to N of the H axes (orthogonal Procrustes), since gamma scales along the axes; with
N = H it would be the identity. Gamma, a diagonal matrix, becomes the diagonal of P' diag(gamma) P, the nearest one. And
it is multiplied by sqrt(kept H / N), where kept is the share of the states' variance in the N directions: the narrow
variance is a mean over fewer numbers. Where all states are in the N directions and each gamma is constant, the
narrow encoder computes x P exactly, but for epsilon.

Heads keep their width, so that attention's scores keep their scale, and there are fewer: those with the largest norm of
the product of output and value matrix. The feed-forward layer shrinks by N / H as well, as a student is narrowed to be
fast, and its products are two thirds of a block's: it keeps the units with the largest product of the norms of their
input and output weights. The pooler, whose units are read by new heads, keeps those with the largest norm.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from mtdnn_tf.errors import UserError
from mtdnn_tf.modeling.backbone import CLS, BackboneConfig
from mtdnn_tf.modeling.bert_weights import (
    EMBEDDINGS_NORM,
    POSITION_EMBEDDINGS,
    SEGMENT_EMBEDDINGS,
    WORD_EMBEDDINGS,
    assign_weights,
    encoder_weights,
)
from mtdnn_tf.modeling.checkpoints.pretrained import PretrainedBackbone, picked_layers
from mtdnn_tf.modeling.encoder import Encoder

# States that are in memory twice.
_ROWS = 4096


def check_student(initial: PretrainedBackbone, layers: Sequence[int] | None, dim: int | None) -> None:
    """Refuses layers (`--student_layers`) and a width (`--student_dim`) that no student of an encoder can have."""
    if layers is not None:
        picked_layers(layers, initial.config.num_layers, initial.source)
    if dim is not None:
        _check_dim(initial, dim)


def _check_dim(initial: PretrainedBackbone, dim: int) -> None:
    config = initial.config
    if config.has_projection or config.position_buckets or config.has_modern_blocks:
        what = "embeddings of another width" if config.has_projection else "blocks of another form"
        raise UserError(
            "`student_dim` needs an encoder with BERT's blocks and embeddings of its own width, got the "
            f"{config.model_type} of {initial.source}, with {what}"
        )
    of_head = config.hidden_dim // config.num_heads
    if dim % of_head or dim >= config.hidden_dim:
        raise UserError(
            f"`student_dim` must be a multiple of {of_head}, the width of a head of {initial.source}, and below its "
            f"width {config.hidden_dim}, got {dim}"
        )


def narrow(pretrained: PretrainedBackbone, dim: int, batches: Sequence[Mapping[str, Any]]) -> PretrainedBackbone:
    """Returns an encoder of a smaller width that begins with what it can hold of another.

    Args:
        pretrained: An encoder with BERT's blocks; without weights, only its shape is changed.
        dim: The width, a multiple of the width of a head and below the encoder's.
        batches: Texts whose states choose the directions: `token_ids`, `segment_ids` and `padding_mask`, each [batch,
            length]. Not used without weights.

    Raises:
        UserError: The encoder is of another form, or cannot have the width.
    """
    _check_dim(pretrained, dim)
    wide = pretrained.config
    config = dataclasses.replace(
        wide,
        hidden_dim=dim,
        num_heads=dim * wide.num_heads // wide.hidden_dim,
        intermediate_dim=max(1, dim * wide.intermediate_dim // wide.hidden_dim),
        embedding_dim=None if wide.embedding_dim is None else dim,
    )
    weights = _Narrowing(pretrained, config, _states(pretrained, batches)).weights() if pretrained.weights else {}
    return dataclasses.replace(pretrained, config=config, weights=weights)


def _states(pretrained: PretrainedBackbone, batches: Sequence[Mapping[str, Any]]) -> np.ndarray:
    """Returns the embeddings and the outputs of each layer at all positions of texts, [states, width]."""
    found = []
    for depth in range(pretrained.config.num_layers + 1):
        encoder = Encoder(dataclasses.replace(pretrained.config, num_layers=depth, pooling=CLS), dropout=0.0)
        assign_weights(encoder, pretrained.weights)
        for batch in batches:
            inputs = {name: tf.constant(batch[name]) for name in ("token_ids", "segment_ids", "padding_mask")}
            found.append(encoder(inputs)["sequence_output"].numpy()[np.asarray(batch["padding_mask"]) > 0])
    return np.concatenate(found)


def directions(states: np.ndarray, dim: int) -> tuple[np.ndarray, float]:
    """Returns the directions that hold most of some states, near axes, and the share of the states' variance in them.

    Args:
        states: float32 [states, width].
        dim: Number of directions, from 2 to the width.

    Returns:
        Orthonormal columns, float64 [width, dim], by which the mean of a state's numbers stays one; the share.
    """
    width = states.shape[1]
    moment = np.zeros((width, width))
    for start in range(0, len(states), _ROWS):
        rows = states[start : start + _ROWS].astype(np.float64)
        rows -= rows.mean(axis=1, keepdims=True)
        moment += rows.T @ rows
    total = np.trace(moment)
    # The direction of the mean gets the lowest value of all, so that the other directions are orthogonal to it.
    moment -= (total + 1) / width
    # TensorFlow's decompositions do not depend on the number of cores, unlike those of NumPy.
    with tf.device("CPU"):
        values, vectors = (part.numpy() for part in tf.linalg.eigh(tf.constant(moment)))
    # Values rise.
    largest = slice(None, -dim, -1)
    vectors = vectors[:, largest]
    # A reflection that maps the first of the narrow axes to the direction of the mean, and the others past it.
    normal = np.full(dim, -(dim**-0.5))
    normal[0] += 1
    past_mean = (np.eye(dim) - np.outer(normal, normal) * (2 / (normal @ normal)))[:, 1:]
    axes = _largest(np.square(vectors).sum(axis=1), dim)
    with tf.device("CPU"):
        _, left, right = (part.numpy() for part in tf.linalg.svd(tf.constant(vectors[axes].T @ past_mean)))
    columns = (width * dim) ** -0.5 + vectors @ (left @ right.T) @ past_mean.T
    return columns, float(values[largest].sum() / total) if total else 1.0


class _Narrowing:
    """The weights of a narrow encoder."""

    def __init__(self, pretrained: PretrainedBackbone, config: BackboneConfig, states: np.ndarray) -> None:
        self._wide, self._config, self._source = pretrained.config, config, pretrained.weights
        self._projection, kept = directions(states, config.hidden_dim)
        self._scale = (kept * self._wide.hidden_dim / config.hidden_dim) ** 0.5

    def _get(self, name: str) -> np.ndarray:
        return self._source[name].astype(np.float64)

    def weights(self) -> dict[str, np.ndarray]:
        """Returns the weights by name, as float32."""
        found = {
            name: self._get(name) @ self._projection
            for name in (WORD_EMBEDDINGS, POSITION_EMBEDDINGS, SEGMENT_EMBEDDINGS)
            if name in self._source
        }
        found.update(self._norm(EMBEDDINGS_NORM))
        for index in range(self._config.num_layers):
            found.update(self._attention(f"encoder.layer.{index}.attention"))
            found.update(self._feed_forward(f"encoder.layer.{index}"))
            for part in ("attention.output.LayerNorm", "output.LayerNorm"):
                found.update(self._norm(f"encoder.layer.{index}.{part}"))
        if "pooler.dense.weight" in self._source:
            matrix = self._reading("pooler.dense")
            kept = _largest(np.linalg.norm(matrix, axis=1), self._config.hidden_dim)
            found["pooler.dense.weight"], found["pooler.dense.bias"] = (
                matrix[kept],
                self._get("pooler.dense.bias")[kept],
            )
        names = [weight.name for weight in encoder_weights(self._config)]
        return {name: np.ascontiguousarray(found[name], np.float32) for name in names}

    def _reading(self, name: str) -> np.ndarray:
        """Returns the matrix [outputs, dim] of a layer that reads states."""
        return np.asarray(self._get(f"{name}.weight") @ self._projection)

    def _writing(self, name: str) -> tuple[np.ndarray, np.ndarray]:
        """Returns the matrix [dim, inputs] and the bias [dim] of a layer that writes states."""
        return self._projection.T @ self._get(f"{name}.weight"), self._get(f"{name}.bias") @ self._projection

    def _norm(self, name: str) -> dict[str, np.ndarray]:
        gamma = np.square(self._projection).T @ self._get(f"{name}.weight") * self._scale
        return {f"{name}.weight": gamma, f"{name}.bias": self._get(f"{name}.bias") @ self._projection}

    def _attention(self, name: str) -> dict[str, np.ndarray]:
        dim, heads = self._config.hidden_dim, self._wide.num_heads
        of_head = self._wide.hidden_dim // heads
        output, bias = self._writing(f"{name}.output.dense")
        outputs = output.reshape(dim, heads, of_head).transpose(1, 0, 2)
        values = self._reading(f"{name}.self.value").reshape(heads, of_head, dim)
        norms = np.linalg.norm(outputs @ values, axis=(1, 2))
        kept = _largest(norms, self._config.num_heads)
        units = (kept[:, None] * of_head + np.arange(of_head)).ravel()
        found = {f"{name}.output.dense.weight": output[:, units], f"{name}.output.dense.bias": bias}
        for part in ("query", "key", "value"):
            found[f"{name}.self.{part}.weight"] = self._reading(f"{name}.self.{part}")[units]
            found[f"{name}.self.{part}.bias"] = self._get(f"{name}.self.{part}.bias")[units]
        return found

    def _feed_forward(self, name: str) -> dict[str, np.ndarray]:
        inner = self._reading(f"{name}.intermediate.dense")
        output, bias = self._writing(f"{name}.output.dense")
        norms = np.linalg.norm(inner, axis=1) * np.linalg.norm(output, axis=0)
        kept = _largest(norms, self._config.intermediate_dim)
        return {
            f"{name}.intermediate.dense.weight": inner[kept],
            f"{name}.intermediate.dense.bias": self._get(f"{name}.intermediate.dense.bias")[kept],
            f"{name}.output.dense.weight": output[:, kept],
            f"{name}.output.dense.bias": bias,
        }


def _largest(norms: np.ndarray, count: int) -> np.ndarray:
    """Returns the indices of the largest norms, rising; of equal ones the first."""
    return np.sort(np.argsort(-norms, kind="stable")[:count])
