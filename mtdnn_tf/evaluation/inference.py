"""Running a model over a whole split."""

from __future__ import annotations

import weakref

import numpy as np
import tensorflow as tf

from mtdnn_tf.data.encoded_split import EncodedSplit
from mtdnn_tf.distillation.candidate_lists import list_probabilities
from mtdnn_tf.errors import UserError, unknown_name
from mtdnn_tf.interruption import stop_if_asked
from mtdnn_tf.modeling.multi_task_model import MultiTaskModel
from mtdnn_tf.tasks.task import CLASSIFICATION, Task

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
    task = encoded.task
    if task.head_task not in model.heads:
        raise unknown_name("head", task.head_task, model.heads)
    encode, head = _encoder(model), model.heads[task.head_task]
    rows = np.arange(len(encoded)) if rows is None else rows
    longest_first = np.argsort(-np.asarray(encoded.lengths)[rows], kind="stable")
    values = np.empty((len(rows), len(task.head_labels) or task.num_outputs), np.float32)
    for start in range(0, len(rows), batch_size):
        stop_if_asked()
        places = longest_first[start : start + batch_size]
        batch = encoded.batch(rows[places])
        logits = head(encode(batch["token_ids"], batch["segment_ids"], batch["padding_mask"]), training=False)
        values[places] = (tf.nn.softmax(logits) if task.kind == CLASSIFICATION else logits).numpy()
    finite = np.isfinite(values).all(axis=1)
    if not finite.all():
        raise UserError(
            f"task {task.name}, split {encoded.split}: {np.sum(~finite)} of {len(rows)} predictions are "
            "not finite numbers; the model's training diverged"
        )
    if encoded.queries is not None:
        values[:, 0] = list_probabilities(values[:, 0], np.asarray(encoded.queries)[rows])
    return own_probabilities(task, values) if task.head_labels else values


def own_probabilities(task: Task, probabilities: np.ndarray) -> np.ndarray:
    """Returns the probabilities of a task's own labels from those of the labels of another task's head.

    Args:
        task: The task, with `head_labels`.
        probabilities: [rows, labels of the head].

    Returns:
        [rows, num_outputs]: sums over the labels of the head that fall together.
    """
    merged = np.zeros((len(probabilities), task.num_outputs), probabilities.dtype)
    for column, (_, own) in enumerate(task.head_labels):
        merged[:, task.labels.index(own)] += probabilities[:, column]
    return merged
