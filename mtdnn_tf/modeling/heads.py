"""Task heads: from the encoder's outputs to a task's logits."""

from __future__ import annotations

import dataclasses
import zlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import tensorflow as tf

from mtdnn_tf.modeling.dropout import Dropout, generator_seeds
from mtdnn_tf.modeling.san_head import SanHead
from mtdnn_tf.tasks.task import AUTO, LINEAR, SAN, Task

# "SAN works very well if the training dataset is large, e.g. MNLI/QQP, however, it is not stable on the small task"
# (namisan/mt-dnn issue 54); of GLUE's pairs MNLI, QQP and QNLI are larger, RTE, MRPC and WNLI smaller.
SAN_EXAMPLES = 10_000


class LinearHead(tf.keras.layers.Layer):
    """Maps the pooled [CLS] vector to logits by one linear layer (1901.11504 eq. 1 and 2)."""

    def __init__(
        self, num_outputs: int, dropout: float = 0.1, seed: int = 0, seeds: Iterator[int] | None = None, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.num_outputs = num_outputs
        self.dropout = Dropout(dropout, next(seeds or generator_seeds(seed)))
        # Logits, and the losses made of them, stay in float32 under mixed precision.
        self.logits = tf.keras.layers.Dense(
            num_outputs,
            kernel_initializer=tf.keras.initializers.TruncatedNormal(stddev=0.02, seed=seed),
            dtype="float32",
        )

    @property
    def generators(self) -> list[tf.random.Generator]:
        """The generators of its dropout."""
        return [self.dropout.generator]

    def call(self, encoded: dict[str, tf.Tensor], training: bool | None = None) -> tf.Tensor:
        """Returns logits [batch, num_outputs] from the encoder's outputs and the input's masks."""
        return self.logits(self.dropout(encoded["pooled_output"], training=training))


HEAD_LAYERS: dict[str, type[tf.keras.layers.Layer]] = {AUTO: LinearHead, LINEAR: LinearHead, SAN: SanHead}


def reads_sequence(head: tf.keras.layers.Layer) -> bool:
    """Returns whether a head reads the encoder's outputs of all positions, not only the pooled [CLS] vector."""
    return not isinstance(head, LinearHead)


def choose_heads(tasks: Sequence[Task], examples: Mapping[str, int], pair_head: str = AUTO) -> list[Task]:
    """Returns the tasks with the heads that a training gives to those that declare none.

    `examples` is the number of training examples of each task that is trained. `pair_head` is of classifications of
    pairs: "linear", "san" (MT-DNN's choice), or "auto" for SAN where several tasks are trained and the task has 10,000
    examples or more, otherwise linear.
    """
    return [
        task if task.head != AUTO else dataclasses.replace(task, head=_head_of(task, examples, pair_head))
        for task in tasks
    ]


def _head_of(task: Task, examples: Mapping[str, int], pair_head: str) -> str:
    if not task.is_pair_classification:
        return LINEAR
    if pair_head != AUTO:
        return pair_head
    return SAN if len(examples) > 1 and examples.get(task.head_task, 0) >= SAN_EXAMPLES else LINEAR


def build_head(task: Task, seed: int, seeds: Iterator[int] | None = None) -> tf.keras.layers.Layer:
    """Builds a task's head ("auto" is linear); its initial weights depend only on the run's seed and the task's name.

    `seeds` yields the seeds of its dropout, by default those made from the seed of its weights.
    """
    head_seed = (seed * 0x9E3779B1 + zlib.crc32(task.name.encode())) % (1 << 31)
    return HEAD_LAYERS[task.head](
        num_outputs=task.num_outputs, dropout=task.dropout, seed=head_seed, seeds=seeds, name=f"{task.name}_head"
    )
