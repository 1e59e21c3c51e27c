"""Running a model in batches of few shapes, compiled by XLA or on a TPU."""

from __future__ import annotations

import contextlib
import contextvars
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import tensorflow as tf

from mtdnn_tf.data.static_shapes import pad_length, repeat_last_row, static_size
from mtdnn_tf.modeling.multi_task_model import INPUTS, MultiTaskModel
from mtdnn_tf.training.replicas import is_one_device, to_replicas

_strategy: contextvars.ContextVar[tf.distribute.Strategy | None] = contextvars.ContextVar("strategy", default=None)


@contextlib.contextmanager
def compiled_inference(strategy: tf.distribute.Strategy) -> Iterator[None]:
    """Has the models that predict within the block compiled, and those that are read within it made on the devices.

    Args:
        strategy: That of a TPU, or the default one, whose single device XLA compiles for.
    """
    token = _strategy.set(strategy)
    try:
        with strategy.scope():
            yield
    finally:
        _strategy.reset(token)


class CompiledInference:
    """Runs a model in batches of one number of rows and few lengths, on one device or on a strategy's replicas.

    Encoder and heads are compiled apart, so that the encoder is compiled once for all tasks.

    Args:
        model: The model; it is not kept alive.
        strategy: That of its variables.
    """

    def __init__(self, model: MultiTaskModel, strategy: tf.distribute.Strategy) -> None:
        held = weakref.ref(model)

        def alive() -> MultiTaskModel:
            found = held()
            assert found is not None
            return found

        def head(name: str) -> Callable[..., Any]:
            return lambda encoded: alive().heads[name](encoded, training=False)

        self._strategy = strategy
        self._longest = model.backbone.config.max_positions
        self.encode = self._compiled(lambda inputs: alive().encode(inputs))
        self.heads = {name: self._compiled(head(name)) for name in model.heads}

    def _compiled(self, function: Callable[..., Any]) -> tf.types.experimental.PolymorphicFunction:
        def run(inputs: dict[str, Any]) -> Any:
            return self._strategy.run(function, args=(inputs,))

        # What a TPU's strategy runs, it compiles itself.
        return tf.function(run, autograph=False, jit_compile=True if is_one_device(self._strategy) else None)

    def logits(self, batch: dict[str, np.ndarray], head: str, batch_size: int) -> np.ndarray:
        """Returns the logits of a head, float32 [rows, num_outputs].

        Args:
            batch: `token_ids`, `segment_ids`, `padding_mask`, each [rows, length].
            head: Its name.
            batch_size: Most rows of a batch; one that has fewer is filled up with rows that are dropped afterwards.
        """
        rows, length = batch["padding_mask"].shape
        replicas = self._strategy.num_replicas_in_sync
        size = -(-batch_size // replicas)
        padded = pad_length(batch, static_size(length, self._longest))
        filled = {name: repeat_last_row(padded[name], size * replicas) for name in INPUTS}
        parts = [
            {name: values[number * size : (number + 1) * size] for name, values in filled.items()}
            for number in range(replicas)
        ]
        logits = self.heads[head](self.encode(to_replicas(self._strategy, parts)))
        return np.concatenate([part.numpy() for part in self._strategy.experimental_local_results(logits)])[:rows]


_compiled: weakref.WeakKeyDictionary[MultiTaskModel, CompiledInference] = weakref.WeakKeyDictionary()


def is_compiled() -> bool:
    """Returns whether what predicts now is compiled: it rounds otherwise."""
    return _strategy.get() is not None


def compiled_model(model: MultiTaskModel) -> CompiledInference | None:
    """Returns the compiled functions of a model, the same as before; None outside of `compiled_inference`."""
    strategy = _strategy.get()
    if strategy is None:
        return None
    if model not in _compiled:
        _compiled[model] = CompiledInference(model, strategy)
    return _compiled[model]
