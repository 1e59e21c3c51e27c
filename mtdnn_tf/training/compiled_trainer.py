"""The training step in a form that XLA compiles."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from mtdnn_tf.training.trainer import Trainer


class CompiledTrainer(Trainer):
    """A `Trainer` whose step has no shape that depends on values, so that XLA compiles it.

    Its steps are those of `Trainer` but for rounding, and for the random numbers that dropout draws.
    """

    def _losses_and_gradients(self, batch: dict[str, tf.Tensor]) -> tuple[dict[str, tf.Tensor], list[Any]]:
        """Returns dense gradients: which rows of a table a batch touches depends on its tokens."""
        losses, gradients = super()._losses_and_gradients(batch)
        return losses, [tf.convert_to_tensor(gradient) for gradient in gradients]
