"""The multi-task model and optimizer of plain Keras and KerasNLP layers, without the product's faster ones."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import keras_nlp
import tensorflow as tf

from mtdnn_tf.modeling.backbone import FLOAT32, MEAN, POOLER, BackboneConfig
from mtdnn_tf.modeling.bert_weights import assign_weights, read_weights, variables_in_order
from mtdnn_tf.modeling.checkpoints.pretrained import PretrainedBackbone
from mtdnn_tf.modeling.dropout import generator_seeds
from mtdnn_tf.modeling.encoder import Encoder, WeightReader, mean_over_positions
from mtdnn_tf.modeling.multi_task_model import INPUTS, MultiTaskModel
from mtdnn_tf.tasks.task import Task
from mtdnn_tf.training.optimization.optimizers import ADAMW_EPSILON, WEIGHT_DECAY, build_optimizer, decayed_variables

_ACTIVATIONS = {
    "gelu": lambda inputs: tf.keras.activations.gelu(inputs, approximate=False),
    "gelu_approximate": lambda inputs: tf.keras.activations.gelu(inputs, approximate=True),
    "relu": tf.keras.activations.relu,
}


class PlainEncoder(tf.keras.Model):
    """A BERT encoder of KerasNLP's public layers, those that its BertBackbone has.

    BertBackbone itself takes no activation, and approximates GELU by tanh.

    Args:
        config: The shape of the encoder.
        dropout: Dropout rate of embeddings, attention and feed-forward layers.
    """

    def __init__(self, config: BackboneConfig, dropout: float) -> None:
        def small_normal() -> tf.keras.initializers.Initializer:
            return tf.keras.initializers.TruncatedNormal(stddev=0.02)

        inputs = {name: tf.keras.Input((None,), dtype=tf.int32, name=name) for name in INPUTS}
        width = config.hidden_dim
        tokens = keras_nlp.layers.ReversibleEmbedding(
            config.vocabulary_size, width, embeddings_initializer=small_normal()
        )(inputs["token_ids"])
        positions = keras_nlp.layers.PositionEmbedding(config.max_positions, initializer=small_normal())(tokens)
        segments = tf.keras.layers.Embedding(config.num_segments, width, embeddings_initializer=small_normal())(
            inputs["segment_ids"]
        )
        states = tf.keras.layers.Add()([tokens, positions, segments])
        states = tf.keras.layers.LayerNormalization(epsilon=1e-12)(states)
        states = tf.keras.layers.Dropout(dropout)(states)
        for _ in range(config.num_layers):
            states = keras_nlp.layers.TransformerEncoder(
                config.intermediate_dim,
                config.num_heads,
                dropout,
                activation=_ACTIVATIONS[config.activation],
                layer_norm_epsilon=1e-12,
                kernel_initializer=small_normal(),
            )(states, padding_mask=inputs["padding_mask"])
        pooled = states[:, 0]
        if config.pooling == MEAN:
            pooled = tf.keras.layers.Lambda(lambda given: mean_over_positions(*given))((states, inputs["padding_mask"]))
        elif config.pooling == POOLER:
            pooled = tf.keras.layers.Dense(width, activation="tanh", kernel_initializer=small_normal())(pooled)
        super().__init__(inputs, {"sequence_output": states, "pooled_output": pooled}, name="backbone")
        self.config = config

    @property
    def named(self) -> Mapping[str, tf.Variable]:
        """The variables by their names in Hugging Face's BertModel."""
        return variables_in_order(self.config, self.weights).named

    @property
    def generators(self) -> list[tf.random.Generator]:
        """None: Keras's dropout does not show its generators, and checkpoints of this encoder do not hold them."""
        return []


class PlainMultiTaskModel(MultiTaskModel):
    """A multi-task model whose encoder computes all positions, whatever the heads read."""

    def encode(
        self,
        inputs: dict[str, tf.Tensor],
        training: bool = False,
        tasks: Collection[str] | None = None,
        weights: WeightReader | None = None,
    ) -> dict[str, tf.Tensor]:
        """Returns the encoder's outputs and the inputs themselves; see `MultiTaskModel.encode`."""
        inputs = {name: tf.cast(inputs[name], tf.int32) for name in INPUTS}
        return {**inputs, **self.backbone(inputs, training=training)}


def build_plain_model(
    pretrained: PretrainedBackbone,
    tasks: Sequence[Task],
    dropout: float = 0.1,
    seed: int = 0,
    precision: str = FLOAT32,
    recompute: bool = False,
) -> PlainMultiTaskModel:
    """Builds what `build_multi_task_model` does, with the encoder's layers as KerasNLP and Keras have them.

    Args:
        pretrained: The encoder to start from.
        tasks: The tasks to answer.
        dropout: Dropout rate inside the encoder. Defaults to 0.1.
        seed: Seed of the heads' initial weights. Defaults to 0.
        precision: Precision of the encoder: "float32", "mixed_bfloat16" or "mixed_float16". Defaults to float32.
        recompute: False; plain layers keep their activations.
    """
    if recompute:
        raise ValueError("plain layers keep their activations")
    seeds = generator_seeds(seed)
    initial = pretrained.weights or read_weights(Encoder(pretrained.config, dropout, seeds))
    before = tf.keras.mixed_precision.global_policy()
    tf.keras.mixed_precision.set_global_policy(precision)
    try:
        backbone = PlainEncoder(pretrained.config, dropout)
    finally:
        tf.keras.mixed_precision.set_global_policy(before)
    assign_weights(backbone, initial)
    return PlainMultiTaskModel(backbone, tasks, seed)


def build_plain_optimizer(name: str, learning_rate: Any, model: tf.keras.Model) -> tf.keras.optimizers.Optimizer:
    """Builds what `build_optimizer` does, with Keras's own Adamax and AdamW.

    Args:
        name: Name of the optimizer.
        learning_rate: A number or a schedule.
        model: The model to train.
    """
    if name == "adamax":
        optimizer = tf.keras.optimizers.Adamax(learning_rate)
    elif name == "adamw":
        optimizer = tf.keras.optimizers.AdamW(learning_rate, weight_decay=WEIGHT_DECAY, epsilon=ADAMW_EPSILON)
        optimizer.exclude_from_weight_decay(var_list=decayed_variables(model)[1])
    else:
        return build_optimizer(name, learning_rate, model)
    optimizer.build(model.trainable_variables)
    return optimizer
