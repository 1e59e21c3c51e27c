"""The multi-task network: one shared encoder, one named output head a task (1901.11504 sec. 3)."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

import tensorflow as tf

from mtdnn_tf.errors import UserError, unknown_name
from mtdnn_tf.modeling.backbone import FLOAT32, MEAN
from mtdnn_tf.modeling.bert_weights import assign_weights, check_weights
from mtdnn_tf.modeling.checkpoints.pretrained import PretrainedBackbone
from mtdnn_tf.modeling.dropout import generator_seeds
from mtdnn_tf.modeling.encoder import Encoder, WeightReader
from mtdnn_tf.modeling.heads import build_head, reads_sequence
from mtdnn_tf.tasks.task import Task

INPUTS = ("token_ids", "segment_ids", "padding_mask")


class MultiTaskModel(tf.keras.Model):
    """Answers every task from one encoding of the text.

    A functional model from `token_ids`, `segment_ids`, `padding_mask` (each [batch, length]) to a dictionary of logits
    [batch, task.num_outputs] by task name, in float32.

    A task that another task's head answers (`head_of`) gets no head of its own.
    """

    @tf.autograph.experimental.do_not_convert
    def __init__(
        self, backbone: Encoder, tasks: Sequence[Task], seed: int = 0, seeds: Iterator[int] | None = None
    ) -> None:
        heads = {task.name: build_head(task, seed, seeds) for task in tasks if task.head_of is None}
        if not heads:
            raise UserError("a model needs at least one task with a head of its own, got none")
        inputs = {name: tf.keras.Input((None,), dtype=tf.int32, name=name) for name in INPUTS}
        encoded = {**inputs, **backbone(inputs)}
        super().__init__(inputs=inputs, outputs={name: head(encoded) for name, head in heads.items()}, name="mtdnn")
        self.backbone = backbone
        self.heads = heads

    @property
    def generators(self) -> list[tf.random.Generator]:
        """The generators behind all dropout, in the order of checkpoints."""
        of_heads = [state for _, head in sorted(self.heads.items()) for state in head.generators]
        return [*self.backbone.generators, *of_heads]

    def task_logits(
        self, inputs: dict[str, tf.Tensor], task_name: str, training: bool = False, weights: WeightReader | None = None
    ) -> tf.Tensor:
        """Returns one task's float32 logits [batch, num_outputs], running only the encoder and that task's head."""
        if task_name not in self.heads:
            raise unknown_name("head", task_name, self.heads)
        return self.heads[task_name](self.encode(inputs, training, [task_name], weights), training=training)

    def encode(
        self,
        inputs: dict[str, tf.Tensor],
        training: bool = False,
        tasks: Collection[str] | None = None,
        weights: WeightReader | None = None,
    ) -> dict[str, tf.Tensor]:
        """Returns what the heads of `tasks`, all by default, read: the encoder's outputs and the inputs themselves.

        Where all heads read the pooled vector, and that only needs the first position, there is no `sequence_output`,
        and the encoder's last block is computed for the first position only.
        """
        inputs = {name: tf.cast(inputs[name], tf.int32) for name in INPUTS}
        first_position = not self.reads_all_positions(self.heads if tasks is None else tasks)
        outputs = self.backbone(inputs, training=training, first_position=first_position, weights=weights)
        return {**inputs, **outputs}

    def reads_all_positions(self, tasks: Collection[str]) -> bool:
        """Returns whether answering tasks, given by name, needs the encoder's outputs at all positions."""
        return self.backbone.config.pooling == MEAN or any(reads_sequence(self.heads[name]) for name in tasks)


def build_multi_task_model(
    pretrained: PretrainedBackbone,
    tasks: Sequence[Task],
    dropout: float = 0.1,
    seed: int = 0,
    precision: str = FLOAT32,
    recompute: bool = False,
) -> MultiTaskModel:
    """Builds the network with the encoder's pre-trained weights and fresh heads.

    Args:
        pretrained: The encoder to start from.
        tasks: The tasks to answer.
        dropout: Dropout rate inside the encoder. Defaults to 0.1.
        seed: Seed of initial weights and dropout. Defaults to 0.
        precision: What the encoder computes in, one of `backbone.PRECISIONS`. Defaults to "float32".
        recompute: Whether layers compute their activations again in the backward pass. Defaults to False.
    """
    if pretrained.weights:
        # Before an encoder is built that may be larger than the weights that there are.
        check_weights(pretrained.config, pretrained.weights, pretrained.source)
    seeds = generator_seeds(seed)
    backbone = Encoder(pretrained.config, dropout, seeds, recompute, dtype=precision)
    if pretrained.weights:
        assign_weights(backbone, pretrained.weights)
    return MultiTaskModel(backbone, tasks, seed, seeds)
