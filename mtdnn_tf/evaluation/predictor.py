"""Predicting whole splits with a model."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import tensorflow as tf

from mtdnn_tf.data.encoded_split import EncodedSplit
from mtdnn_tf.errors import UserError, unknown_name
from mtdnn_tf.evaluation.compiled_inference import CompiledInference
from mtdnn_tf.interruption import stop_if_asked
from mtdnn_tf.modeling.multi_task_model import MultiTaskModel
from mtdnn_tf.tasks.task import Task

_MATRIX = tf.TensorSpec([None, None], tf.int32)
_FLAGS = tf.TensorSpec([None, None], tf.bool)


@dataclasses.dataclass(frozen=True)
class InferenceSettings:
    """How models are run.

    Attributes:
        batch_size: Number of rows in a batch. Defaults to 64.
        parallel_batches: Number of batches that are computed at the same time. It changes no prediction. Defaults to 1.
        strategy: Strategy that inference is compiled for: of a TPU, or the default one for XLA on one device; None for
            ordinary inference.
    """

    batch_size: int = 64
    parallel_batches: int = 1
    strategy: tf.distribute.Strategy | None = None

    def scope(self) -> contextlib.AbstractContextManager[object]:
        """Returns the context in which models must be loaded, so that their variables are on the devices."""
        return contextlib.nullcontext() if self.strategy is None else self.strategy.scope()


ORDINARY_INFERENCE = InferenceSettings()


class Inference:
    """Runs a model in batches as they come.

    The encoder is traced once for all tasks and batches; heads are small and run eagerly.

    Args:
        model: The model.
    """

    def __init__(self, model: MultiTaskModel) -> None:
        @tf.function(input_signature=[_MATRIX, _MATRIX, _FLAGS], autograph=False)
        def encode(token_ids: tf.Tensor, segment_ids: tf.Tensor, padding_mask: tf.Tensor) -> dict[str, tf.Tensor]:
            encoded: dict[str, tf.Tensor] = model.encode(
                {"token_ids": token_ids, "segment_ids": segment_ids, "padding_mask": padding_mask}
            )
            return encoded

        self.encode = encode
        self._heads = model.heads

    def logits(self, batch: dict[str, np.ndarray], head: str) -> tf.Tensor:
        """Returns the logits of a head; see `CompiledInference.logits`."""
        encoded = self.encode(batch["token_ids"], batch["segment_ids"], batch["padding_mask"])
        return self._heads[head](encoded, training=False)


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
        order = longest_first(encoded, rows)
        outputs = np.empty((len(rows), num_head_outputs(encoded.task)), np.float32)
        outputs[order] = self.head_outputs(encoded, rows[order])
        return predictions_of(encoded, outputs, rows)

    def head_outputs(self, encoded: EncodedSplit, rows: np.ndarray) -> np.ndarray:
        """Returns the outputs of the head that answers a split's task, for each row by itself.

        The last bits of a row's outputs depend on the rows of its batch.

        Args:
            encoded: The split.
            rows: Numbers of the rows in the order of the batches, int [rows].

        Returns:
            Float32 [rows, head's outputs] in the order of the rows: probabilities of the head's labels for a
            classification, scores otherwise.

        Raises:
            UserError: See `predict`.
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
            for start, answered in zip(starts, answers):
                outputs[start : start + size] = answered
                stop_if_asked()
        finite = np.isfinite(outputs).all(axis=1)
        if not finite.all():
            raise UserError(
                f"task {task.name}, split {encoded.split}: {np.sum(~finite)} of {len(rows)} predictions are "
                "not finite numbers; the model's training diverged"
            )
        return outputs


def longest_first(encoded: EncodedSplit, rows: np.ndarray) -> np.ndarray:
    """Returns the order in which rows are batched, as indices into `rows`: rows of similar length together."""
    return np.argsort(-np.asarray(encoded.lengths)[rows], kind="stable")


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
    pool = ThreadPoolExecutor(at_once)
    try:
        yield from pool.map(function, numbers)
    finally:
        pool.shutdown(cancel_futures=True)


def predictions_of(encoded: EncodedSplit, outputs: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Returns what `Predictor.predict` returns for the outputs of a head.

    Args:
        encoded: The split.
        outputs: Float32 [rows, head's outputs], see `Predictor.head_outputs`.
        rows: Numbers of the rows, int [rows], whole queries of a ranking.
    """
    queries = None if encoded.queries is None else np.asarray(encoded.queries)[rows]
    return encoded.task.kind_object.predictions(encoded.task, outputs, queries)
