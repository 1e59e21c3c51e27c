"""Predicting whole splits with a model."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import tensorflow as tf

from mtdnn_tf.data.batching.batch_layout import lay_out, pad_length, restore_rows, static_size
from mtdnn_tf.data.batching.inference_batches import batched_order
from mtdnn_tf.data.encoded_split import EncodedSplit
from mtdnn_tf.data.streaming.split_rows import SplitRows
from mtdnn_tf.errors import UserError, unknown_name
from mtdnn_tf.interruption import stop_if_asked
from mtdnn_tf.modeling.multi_task_model import INPUTS, MultiTaskModel
from mtdnn_tf.parallelism import is_one_device, to_replicas
from mtdnn_tf.progress import watched
from mtdnn_tf.tasks.task import Task


@dataclasses.dataclass(frozen=True)
class InferenceSettings:
    """How models are run."""

    batch_size: int = 64
    parallel_batches: int = 1  # Number of batches that are computed at the same time. It changes no prediction.
    # Strategy that inference is compiled for: of a TPU, or the default one for XLA on one device; None for ordinary
    # inference.
    strategy: tf.distribute.Strategy | None = None

    def scope(self) -> contextlib.AbstractContextManager[object]:
        """Returns the context in which models must be loaded, so that their variables are on the devices."""
        return contextlib.nullcontext() if self.strategy is None else self.strategy.scope()


ORDINARY_INFERENCE = InferenceSettings()


class Inference:
    """Runs a model in batches as they come: the encoder is traced once, heads are small and run eagerly."""

    def __init__(self, model: MultiTaskModel) -> None:
        types = {"token_ids": tf.int32, "segment_ids": tf.int32, "padding_mask": tf.bool}
        shapes = {name: tf.TensorSpec([None, None], dtype) for name, dtype in types.items()}
        self.encode = tf.function(lambda inputs: model.encode(inputs), input_signature=[shapes], autograph=False)
        self._heads = model.heads

    def logits(self, batch: dict[str, np.ndarray], head: str) -> tf.Tensor:
        """Returns the logits of a head, float32 [rows, num_outputs], for a batch of arrays [rows, length]."""
        return self._heads[head](self.encode({name: batch[name] for name in INPUTS}), training=False)


class CompiledInference:
    """Runs a model compiled, in batches of one size and few lengths, on one device or on a strategy's replicas.

    Encoder and heads are compiled separately, so that the encoder is compiled once for all tasks.
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
        """Returns the logits of a head; see `Inference.logits`."""
        rows, length = batch["padding_mask"].shape
        replicas = self._strategy.num_replicas_in_sync
        size = -(-self._batch_size // replicas)
        padded = pad_length({name: batch[name] for name in INPUTS}, static_size(length, self._longest))
        layouts = [layout.padded(size) for layout in lay_out(np.arange(rows), replicas)]
        parts = [layout.take(padded) for layout in layouts]
        logits = self.heads[head](self.encode(to_replicas(self._strategy, parts)))
        return restore_rows(layouts, [part.numpy() for part in self._strategy.experimental_local_results(logits)])


class Predictor:
    """Predicts splits with one model, whose functions are traced or compiled once.

    Args:
        model: The model; with a strategy in the settings, it was loaded within `settings.scope()`.
        settings: How it is run. Defaults to ordinary inference.
    """

    def __init__(self, model: MultiTaskModel, settings: InferenceSettings = ORDINARY_INFERENCE) -> None:
        self._model = model
        self._batch_size = settings.batch_size
        self.inference: Inference | CompiledInference
        if settings.strategy is None:
            self.inference, self._at_once = Inference(model), settings.parallel_batches
        else:
            self.inference = CompiledInference(model, settings.strategy, settings.batch_size)
            self._at_once = 1

    def predict(self, encoded: EncodedSplit, rows: np.ndarray | None = None) -> np.ndarray:
        """Returns the model's probabilities or scores for every row of a split.

        Args:
            encoded: The split; the model has the head that answers its task.
            rows: Numbers of the rows to predict, int [rows], whole queries of a ranking. Defaults to all.

        Returns:
            Float32 [rows, num_outputs] in the order of the rows: probabilities of the labels of a classification, of
            each candidate among those of its query for a ranking, scores for a regression.

        Raises:
            UserError: The model has no such head, or its outputs are not finite numbers.
        """
        rows = np.arange(len(encoded)) if rows is None else rows
        order = batched_order(encoded.lengths_of(rows), self._batch_size)
        outputs = self.head_outputs(encoded, rows[order])[np.argsort(order)]
        return predictions_of(encoded, outputs, rows)

    def head_outputs(self, encoded: EncodedSplit, rows: np.ndarray) -> np.ndarray:
        """Returns `Kind.row_outputs` of the head that answers a split's task, float32 [rows, head's outputs].

        `rows` is in the order of the batches: the last bits of a row's outputs depend on the rows of its batch.
        """
        task, size = encoded.task, self._batch_size
        if task.head_task not in self._model.heads:
            raise unknown_name("head", task.head_task, self._model.heads)

        def answer(start: int) -> np.ndarray:
            logits = self.inference.logits(encoded.batch(rows[start : start + size]), task.head_task)
            return np.asarray(task.kind_object.row_outputs(logits))

        outputs = np.empty((len(rows), num_head_outputs(task)), np.float32)
        starts = range(0, len(rows), size)
        with contextlib.closing(_in_order(answer, starts, self._at_once)) as answers:
            for start, answered in zip(watched(starts, f"predicting {task.name} {encoded.split}"), answers):
                outputs[start : start + size] = answered
                stop_if_asked()
        finite = np.isfinite(outputs).all(axis=1)
        if not finite.all():
            raise UserError(
                f"task {task.name}, split {encoded.split}: {np.sum(~finite)} of {len(rows)} predictions are "
                "not finite numbers; the model's training diverged"
            )
        return outputs


def num_head_outputs(task: Task) -> int:
    """Returns the number of outputs per row of the head that answers a task."""
    return len(task.head_labels) or task.num_outputs


def _in_order(
    function: Callable[[int], np.ndarray], numbers: Sequence[int], at_once: int
) -> Generator[np.ndarray, None, None]:
    """Yields a function's results in order, computing several at the same time."""
    if at_once == 1:
        yield from map(function, numbers)
        return
    # Whoever closes the generator closes that of `map`, which cancels what has not begun.
    with ThreadPoolExecutor(at_once) as pool:
        yield from pool.map(function, numbers)


def predictions_of(encoded: EncodedSplit | SplitRows, outputs: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Returns what `Predictor.predict` returns, for the `head_outputs` of some rows."""
    return encoded.task.kind_object.predictions(encoded.task, outputs, encoded.queries_of(rows))
