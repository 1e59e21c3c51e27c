"""Running a model in batches of few shapes, compiled by XLA or on a TPU."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf

from mtdnn_tf.data.batching.batch_layout import lay_out, pad_length, restore_rows, static_size
from mtdnn_tf.modeling.multi_task_model import INPUTS, MultiTaskModel
from mtdnn_tf.parallelism import is_one_device, to_replicas


class CompiledInference:
    """Runs a model in batches of one number of rows and few lengths, on one device or on a strategy's replicas.

    Encoder and heads are compiled separately, so that the encoder is compiled once for all tasks.

    Args:
        model: The model.
        strategy: The strategy of its variables.
        batch_size: Maximum number of rows in a batch.
    """

    def __init__(self, model: MultiTaskModel, strategy: tf.distribute.Strategy, batch_size: int) -> None:
        self._strategy = strategy
        self._batch_size = batch_size
        self._longest = model.backbone.config.max_positions
        self.encode = self._compiled(model.encode)
        self.heads = {
            name: self._compiled(functools.partial(head, training=False)) for name, head in model.heads.items()
        }

    def _compiled(self, function: Callable[..., Any]) -> tf.types.experimental.PolymorphicFunction:
        def run(inputs: dict[str, Any]) -> Any:
            return self._strategy.run(function, args=(inputs,))

        # A TPU strategy compiles what it runs.
        return tf.function(run, autograph=False, jit_compile=True if is_one_device(self._strategy) else None)

    def logits(self, batch: dict[str, np.ndarray], head: str) -> np.ndarray:
        """Returns the logits of a head, float32 [rows, num_outputs].

        Args:
            batch: `token_ids`, `segment_ids`, `padding_mask`, each [rows, length].
            head: Its name.
        """
        rows, length = batch["padding_mask"].shape
        replicas = self._strategy.num_replicas_in_sync
        size = -(-self._batch_size // replicas)
        padded = pad_length({name: batch[name] for name in INPUTS}, static_size(length, self._longest))
        layouts = [layout.padded(size) for layout in lay_out(np.arange(rows), replicas)]
        parts = [layout.take(padded) for layout in layouts]
        logits = self.heads[head](self.encode(to_replicas(self._strategy, parts)))
        return restore_rows(layouts, [part.numpy() for part in self._strategy.experimental_local_results(logits)])
