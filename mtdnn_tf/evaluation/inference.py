"""Running a model over a whole split."""

from __future__ import annotations

import contextlib
import weakref
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import tensorflow as tf

from mtdnn_tf.data.encoded_split import EncodedSplit
from mtdnn_tf.errors import UserError, unknown_name
from mtdnn_tf.evaluation.compiled_inference import compiled_model
from mtdnn_tf.interruption import stop_if_asked
from mtdnn_tf.modeling.multi_task_model import MultiTaskModel
from mtdnn_tf.tasks.task import Task
from mtdnn_tf.threads import operations_at_once

_MATRIX = tf.TensorSpec([None, None], tf.int32)
_FLAGS = tf.TensorSpec([None, None], tf.bool)

# Tracing a large encoder takes seconds, and a training run evaluates every task after every epoch: it is traced once a
# model, and the heads, which are small, run outside of it.
_encoders: weakref.WeakKeyDictionary[MultiTaskModel, tf.types.experimental.PolymorphicFunction]
_encoders = weakref.WeakKeyDictionary()


def _encoder(model: MultiTaskModel) -> tf.types.experimental.PolymorphicFunction:
    if model not in _encoders:
        # A function that held the model would keep alive the key that it is found by.
        held = weakref.ref(model)

        @tf.function(input_signature=[_MATRIX, _MATRIX, _FLAGS], autograph=False)
        def encode(token_ids: tf.Tensor, segment_ids: tf.Tensor, padding_mask: tf.Tensor) -> dict[str, tf.Tensor]:
            alive = held()
            assert alive is not None
            return alive.encode({"token_ids": token_ids, "segment_ids": segment_ids, "padding_mask": padding_mask})

        _encoders[model] = encode
    return _encoders[model]


def predict(
    model: MultiTaskModel, encoded: EncodedSplit, batch_size: int, rows: np.ndarray | None = None
) -> np.ndarray:
    """Returns a model's probabilities or scores for every row of a split.

    Args:
        model: The model; it has the head that answers the split's task.
        encoded: The split.
        batch_size: Rows in a batch; rows of like length share one, so that little is padded.
        rows: Numbers of the rows to predict, int [rows], whole queries of a ranking; all by default.

    Returns:
        Float32 [rows, num_outputs], in the order of the rows: of a classification the labels' probabilities, of a
        ranking each candidate's among those of its query, of a regression scores.

    Raises:
        UserError: The model has no such head, or its outputs are not finite numbers.
    """
    rows = np.arange(len(encoded)) if rows is None else rows
    order = longest_first(encoded, rows)
    outputs = np.empty((len(rows), num_head_outputs(encoded.task)), np.float32)
    outputs[order] = head_outputs(model, encoded, batch_size, rows[order])
    return predictions_of(encoded, outputs, rows)


def longest_first(encoded: EncodedSplit, rows: np.ndarray) -> np.ndarray:
    """Returns the order in which rows are batched, as places in `rows`: rows of like length stand together."""
    return np.argsort(-np.asarray(encoded.lengths)[rows], kind="stable")


def num_head_outputs(task: Task) -> int:
    """Returns how many numbers the head that answers a task gives for a row."""
    return len(task.head_labels) or task.num_outputs


def head_outputs(model: MultiTaskModel, encoded: EncodedSplit, batch_size: int, rows: np.ndarray) -> np.ndarray:
    """Returns what the head that answers a split's task gives, each row for itself.

    The last bits of a row's numbers depend on which rows it shares a batch with.

    Args:
        model: The model.
        encoded: The split.
        batch_size: Rows in a batch.
        rows: Numbers of the rows in the order in which batches take them, int [rows].

    Returns:
        Float32 [rows, head's outputs], in the order of the rows: of a classification probabilities of the head's
        labels, of others scores.

    Raises:
        UserError: As of `predict`.
    """
    task = encoded.task
    if task.head_task not in model.heads:
        raise unknown_name("head", task.head_task, model.heads)
    compiled, encode, head = compiled_model(model), _encoder(model), model.heads[task.head_task]

    def answer(start: int) -> np.ndarray:
        batch = encoded.batch(rows[start : start + batch_size])
        if compiled is None:
            logits = head(encode(batch["token_ids"], batch["segment_ids"], batch["padding_mask"]), training=False)
        else:
            logits = tf.constant(compiled.logits(batch, task.head_task, batch_size))
        return task.kind_object.row_outputs(logits).numpy()

    outputs = np.empty((len(rows), num_head_outputs(task)), np.float32)
    starts = range(0, len(rows), batch_size)
    with contextlib.closing(_in_order(answer, starts, operations_at_once() if compiled is None else 1)) as answers:
        for start, answered in zip(starts, answers):
            outputs[start : start + batch_size] = answered
            stop_if_asked()
    finite = np.isfinite(outputs).all(axis=1)
    if not finite.all():
        raise UserError(
            f"task {task.name}, split {encoded.split}: {np.sum(~finite)} of {len(rows)} predictions are "
            "not finite numbers; the model's training diverged"
        )
    return outputs


def _in_order(
    function: Callable[[int], np.ndarray], numbers: Sequence[int], at_once: int
) -> Generator[np.ndarray, None, None]:
    """Yields a function's results, some of them computed at the same time."""
    if at_once == 1:
        yield from map(function, numbers)
        return
    pool = ThreadPoolExecutor(at_once)
    try:
        yield from pool.map(function, numbers)
    finally:
        pool.shutdown(cancel_futures=True)


def predictions_of(encoded: EncodedSplit, outputs: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Returns what `predict` does for the outputs of a head.

    Args:
        encoded: The split.
        outputs: Float32 [rows, head's outputs], as of `head_outputs`.
        rows: Numbers of the rows, int [rows], whole queries of a ranking.
    """
    queries = None if encoded.queries is None else np.asarray(encoded.queries)[rows]
    return encoded.task.kind_object.predictions(encoded.task, outputs, queries)
