"""The shared encoder: BERT (Devlin et al. 2019, arXiv 1810.04805) and families that differ from it in some parts."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from typing import Any, Protocol

import tensorflow as tf

from mtdnn_tf.modeling import encoder_block as block
from mtdnn_tf.modeling.backbone import MEAN, POOLER, BackboneConfig
from mtdnn_tf.modeling.bert_weights import (
    EMBEDDINGS_NORM,
    FINAL_NORM,
    POOLER_WEIGHTS,
    POSITION_EMBEDDINGS,
    PROJECTION,
    RELATIVE_EMBEDDINGS,
    RELATIVE_NORM,
    SEGMENT_EMBEDDINGS,
    WORD_EMBEDDINGS,
    encoder_weights,
)
from mtdnn_tf.modeling.disentangled_attention import RELATIVE_DROPOUT, RELATIVE_POSITIONS, rows_of_distances
from mtdnn_tf.modeling.dropout import SixteenBitDropout, drop, generator_seeds
from mtdnn_tf.modeling.modern_block import local_mask, modern_block

_EMBEDDINGS_DROPOUT = "embeddings.dropout"
# In the order in which Keras drew the seeds of a KerasNLP block, so that runs repeat those of earlier versions.
_SEEDED_OF_BLOCK = (
    "intermediate.dense.weight",
    "output.dense.weight",
    "attention.self.query.weight",
    "attention.self.key.weight",
    "attention.self.value.weight",
    "attention.self.dropout",
    "attention.output.dense.weight",
    "attention.output.dropout",
    "output.dropout",
)
# Of ModernBERT, which came later.
_SEEDED_OF_MODERN_BLOCK = (
    "attention.self.query_key_value.weight",
    "attention.output.dense.weight",
    "intermediate.dense.weight",
    "output.dense.weight",
    *block.DROPOUTS,
)


class WeightReader(Protocol):
    """Where an encoder's weights come from, in place of its own variables."""

    def read(self, name: str) -> tf.Tensor | tf.Variable:
        """Returns a weight of the embeddings or the pooler, in the shape of its variable."""

    def block_weights(self, index: int) -> block.Weights:
        """Returns a block's weights, named as after "encoder.layer.N."; attention's may be joined."""

    def rows(self, name: str, ids: tf.Tensor) -> tf.Tensor:
        """Returns some rows of a table of embeddings."""


class Encoder(tf.keras.layers.Layer):
    """Encodes word pieces by an encoder with random weights, `named` as in Hugging Face's BertModel.

    It computes in its `dtype`, one of `backbone.PRECISIONS`; its variables are float32. `dropout` is the rate of
    "shared layers" (1904.09482 sec. 4), `seeds` yields the seeds of weights and dropout, those of seed 0 by default.
    """

    def __init__(
        self,
        config: BackboneConfig,
        dropout: float = 0.1,
        seeds: Iterator[int] | None = None,
        recompute: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**{"name": "backbone", **kwargs})
        self.config = config
        self._recompute = recompute
        seed_of = _seed_of_names(config, seeds or generator_seeds(0))
        self.named = {
            weight.name: self.add_weight(
                name=weight.name,
                shape=weight.variable_shape,
                dtype=tf.float32,
                initializer=_initializer(weight.name, seed_of.get(weight.name)),
                # The block casts them itself.
                experimental_autocast=False,
            )
            for weight in encoder_weights(config)
        }
        self._dropouts = {
            name: SixteenBitDropout(dropout, seed) for name, seed in seed_of.items() if name.endswith("dropout")
        }
        self._dropped = self._dropouts[_EMBEDDINGS_DROPOUT].dropped
        buckets = config.position_buckets
        self._rows_of_distances = rows_of_distances(buckets, config.max_positions) if buckets else None

    @property
    def generators(self) -> list[tf.random.Generator]:
        """The generators of its dropouts, from the embeddings up."""
        return [dropout.generator for dropout in self._dropouts.values()]

    @tf.autograph.experimental.do_not_convert
    def call(
        self,
        inputs: dict[str, tf.Tensor],
        training: bool | None = None,
        first_position: bool = False,
        weights: WeightReader | None = None,
    ) -> dict[str, tf.Tensor]:
        """Encodes word pieces.

        Args:
            inputs: `token_ids`, `segment_ids`, `padding_mask`, each [batch, length]; 0 in the mask marks padding.
            training: Whether dropout is on.
            first_position: Whether the last block is computed for the first position only; not with pooling "mean".
            weights: Where to read the weights from; the encoder's own variables by default.

        Returns:
            `pooled_output` [batch, width], what linear heads read; without `first_position` also `sequence_output`
            [batch, length, width].
        """
        training, reader = bool(training), weights or self
        states = self._embed(inputs, reader, training)
        masks = self._masks(tf.cast(inputs["padding_mask"], tf.int32), states.dtype)
        positions = self._relative_positions(states, reader, training)
        function = modern_block if self.config.has_modern_blocks else block.transformer_block
        run = functools.partial(block.recomputed_block, block=function) if training and self._recompute else function
        for index in range(self.config.num_layers):
            is_last = index + 1 == self.config.num_layers
            settings = block.BlockSettings(
                self.config.num_heads,
                self.config.activation,
                self._dropped,
                training,
                first_position and is_last,
                self.config.norm_epsilon,
                self.config.rotary_base(index) if self.config.has_modern_blocks else 0.0,
            )
            starts = self._reserve(f"encoder.layer.{index}.", states, settings)
            states = run(states, masks[index], {**reader.block_weights(index), **positions}, starts, settings)
        if self.config.has_modern_blocks:
            states = self._final_norm(states, reader, training)
        pooled = self._pool(states, inputs["padding_mask"], reader)
        return {"pooled_output": pooled} if first_position else {"sequence_output": states, "pooled_output": pooled}

    def read(self, name: str) -> tf.Variable:
        """Returns a variable."""
        return self.named[name]

    def block_weights(self, index: int) -> dict[str, tf.Variable]:
        """Returns a block's variables, named as after "encoder.layer.N."."""
        prefix = f"encoder.layer.{self.config.own_layer(index)}."
        return {name[len(prefix) :]: weight for name, weight in self.named.items() if name.startswith(prefix)}

    def rows(self, name: str, ids: tf.Tensor) -> tf.Tensor:
        """Returns some rows of a table of embeddings, whose gradient is of these rows only."""
        return tf.nn.embedding_lookup(self.named[name], ids)

    def _masks(self, padding_mask: tf.Tensor, dtype: tf.DType) -> list[tf.Tensor]:
        """Returns what is added to the scores of each layer's attention."""
        everywhere = block.attention_mask(padding_mask, dtype)
        of_window = {0: everywhere}
        for window in {*self.config.windows} - {0}:
            of_window[window] = local_mask(padding_mask, window, dtype)
        return [of_window[window] for window in self.config.windows or [0] * self.config.num_layers]

    def _final_norm(self, states: tf.Tensor, reader: WeightReader, training: bool) -> tf.Tensor:
        weights = {f"{FINAL_NORM}.weight": reader.read(f"{FINAL_NORM}.weight")}
        rows = tf.reshape(states, [-1, self.config.hidden_dim])
        normal = tf.reshape(
            block.normalize(rows, weights, FINAL_NORM, training, self.config.norm_epsilon), tf.shape(states)
        )
        normal.set_shape(states.shape)
        return normal

    def _embed(self, inputs: dict[str, tf.Tensor], reader: WeightReader, training: bool) -> tf.Tensor:
        """Returns the sum of the embeddings, normalized, in the encoder's width: [batch, length, width]."""
        wide = tf.cast(self._sum_of_embeddings(inputs, reader), tf.float32)
        mean, variance = tf.nn.moments(wide, [-1], keepdims=True)
        parts = (f"{EMBEDDINGS_NORM}.{part}" for part in ("bias", "weight"))
        beta, gamma = (reader.read(name) if name in self.named else None for name in parts)
        normal = tf.nn.batch_normalization(wide, mean, variance, beta, gamma, self.config.norm_epsilon)
        states = tf.cast(normal, self.compute_dtype)
        if training and self._dropped:
            start = self._dropouts[_EMBEDDINGS_DROPOUT].reserve(tf.size(states))
            states = drop(states, self._dropped, start)
        return self._project(states, reader) if self.config.has_projection else states

    def _sum_of_embeddings(self, inputs: dict[str, tf.Tensor], reader: WeightReader) -> tf.Tensor:
        tokens = tf.cast(reader.rows(WORD_EMBEDDINGS, inputs["token_ids"]), self.compute_dtype)
        first = self.config.position_offset
        total = tokens
        if self.config.has_positions:
            table = tf.convert_to_tensor(reader.read(POSITION_EMBEDDINGS))
            total += tf.cast(table[first : first + tf.shape(tokens)[1]], self.compute_dtype)
        if not self.config.num_segments:
            return total
        # An encoder of one segment has been trained with both texts of a pair in it.
        segment_ids = inputs["segment_ids"] if self.config.num_segments > 1 else tf.zeros_like(inputs["segment_ids"])
        return total + tf.cast(reader.rows(SEGMENT_EMBEDDINGS, segment_ids), self.compute_dtype)

    def _relative_positions(self, states: tf.Tensor, reader: WeightReader, training: bool) -> dict[str, tf.Tensor]:
        """Returns what `RELATIVE_POSITIONS` names, normalized, to go with a block's weights; nothing for BERT.

        Dropout is a block's own. Where two distances share a row it draws for each, while the authors' code draws once.
        """
        if self._rows_of_distances is None:
            return {}
        most, length = self.config.max_positions, tf.shape(states)[1]
        numbers = tf.constant(self._rows_of_distances)[most - length : most + length]
        norm = {f"{RELATIVE_NORM}.{part}": reader.read(f"{RELATIVE_NORM}.{part}") for part in ("weight", "bias")}
        table = tf.convert_to_tensor(reader.read(RELATIVE_EMBEDDINGS))
        normal = block.normalize(table, norm, RELATIVE_NORM, training, self.config.norm_epsilon)
        return {RELATIVE_POSITIONS: tf.gather(normal, numbers)}

    def _project(self, states: tf.Tensor, reader: WeightReader) -> tf.Tensor:
        """Returns embeddings in the width of the encoder."""
        weights = {name: reader.read(name) for name in self.named if name.startswith(PROJECTION)}
        rows = block.dense(tf.reshape(states, [-1, self.config.embedding_width]), weights, PROJECTION)
        batch, length = tf.unstack(tf.shape(states)[:2])
        projected = tf.reshape(rows, [batch, length, self.config.hidden_dim])
        projected.set_shape([*states.shape[:2], self.config.hidden_dim])
        return projected

    def _reserve(self, prefix: str, states: tf.Tensor, settings: block.BlockSettings) -> block.Starts:
        """Returns where the draws of a block's dropouts begin."""
        if not (settings.training and self._dropped):
            return {}
        batch, length, width = tf.unstack(tf.shape(states))
        answered = batch if settings.first_position else batch * length
        rows = answered * width
        sizes = dict(zip(block.DROPOUTS, (answered * length * settings.num_heads, rows, rows)))
        if self.config.position_buckets:
            sizes[RELATIVE_DROPOUT] = 2 * length * width
        return {name: self._dropouts[prefix + name].reserve(size) for name, size in sizes.items()}

    def _pool(self, states: tf.Tensor, padding_mask: tf.Tensor, reader: WeightReader) -> tf.Tensor:
        if self.config.pooling == MEAN:
            return mean_over_positions(states, padding_mask)
        first = states[:, 0]
        if self.config.pooling != POOLER:
            return first
        weights = {name: reader.read(name) for name in POOLER_WEIGHTS}
        return tf.tanh(block.dense(first, weights, "pooler.dense"))


def mean_over_positions(states: tf.Tensor, padding_mask: tf.Tensor) -> tf.Tensor:
    """Returns the mean over positions that are not padding (Reimers and Gurevych 2019, arXiv 1908.10084 sec. 3)."""
    # Sums of up to 512 numbers need more than 16 bits.
    mask = tf.expand_dims(tf.cast(padding_mask, tf.float32), 2)
    total = tf.reduce_sum(tf.cast(states, tf.float32) * mask, axis=1)
    return tf.cast(total / tf.maximum(tf.reduce_sum(mask, axis=1), 1.0), states.dtype)


def _seed_of_names(config: BackboneConfig, seeds: Iterator[int]) -> dict[str, int]:
    """Returns the seed of each weight and dropout that has one, by name."""
    tables = [WORD_EMBEDDINGS, POSITION_EMBEDDINGS, SEGMENT_EMBEDDINGS, _EMBEDDINGS_DROPOUT]
    of_block = _SEEDED_OF_MODERN_BLOCK if config.has_modern_blocks else _SEEDED_OF_BLOCK
    blocks = [f"encoder.layer.{index}.{name}" for index in range(config.num_layers) for name in of_block]
    projection = [f"{PROJECTION}.weight"] if config.has_projection else []
    relative = [f"encoder.layer.{index}.{RELATIVE_DROPOUT}" for index in range(config.num_layers)]
    relative = [RELATIVE_EMBEDDINGS, *relative] if config.position_buckets else []
    names = [*tables, *blocks, "pooler.dense.weight", *projection, *relative]
    return {name: next(seeds) for name in names}


def _initializer(name: str, seed: int | None) -> Any:
    if seed is not None:
        return tf.keras.initializers.TruncatedNormal(stddev=0.02, seed=seed)
    return "ones" if name.endswith("LayerNorm.weight") else "zeros"
