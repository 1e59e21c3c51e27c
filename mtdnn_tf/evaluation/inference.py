"""Running a model over a whole split."""

from __future__ import annotations

import weakref

import numpy as np
import tensorflow as tf

from mtdnn_tf.data.encoded_split import EncodedSplit
from mtdnn_tf.errors import UserError
from mtdnn_tf.modeling.multi_task_model import MultiTaskModel
from mtdnn_tf.tasks.task import CLASSIFICATION

_MATRIX = tf.TensorSpec([None, None], tf.int32)
_FLAGS = tf.TensorSpec([None, None], tf.bool)

# Tracing a large model takes seconds, and a training run evaluates after every epoch.
_functions: weakref.WeakKeyDictionary[MultiTaskModel, dict[tuple[str, str], tf.types.experimental.PolymorphicFunction]]
_functions = weakref.WeakKeyDictionary()


def _inference_function(model: MultiTaskModel, head: str, kind: str) -> tf.types.experimental.PolymorphicFunction:
    functions = _functions.setdefault(model, {})
    if (head, kind) not in functions:
        # A function that held the model would keep alive the key that it is found by.
        held = weakref.ref(model)

        @tf.function(input_signature=[_MATRIX, _MATRIX, _FLAGS], autograph=False)
        def run(token_ids: tf.Tensor, segment_ids: tf.Tensor, padding_mask: tf.Tensor) -> tf.Tensor:
            alive = held()
            assert alive is not None
            inputs = {"token_ids": token_ids, "segment_ids": segment_ids, "padding_mask": padding_mask}
            logits = tf.cast(alive.task_logits(inputs, head, training=False), tf.float32)
            return tf.nn.softmax(logits) if kind == CLASSIFICATION else logits

        functions[head, kind] = run
    return functions[head, kind]


def predict(model: MultiTaskModel, encoded: EncodedSplit, batch_size: int) -> np.ndarray:
    """Returns a model's class probabilities or scores for every row of a split.

    Args:
        model: The model; it has the head that answers the split's task.
        encoded: The split.
        batch_size: Rows in a batch; rows of like length share one, so that little is padded.

    Returns:
        Float32 [rows, num_outputs] in the split's order: probabilities of a classification, or scores.

    Raises:
        UserError: The model has no such head, or its outputs are not finite numbers.
    """
    task = encoded.task
    run = _inference_function(model, task.head_task, task.kind)
    longest_first = np.argsort(-np.asarray(encoded.lengths), kind="stable")
    values = np.empty((len(encoded), task.num_outputs), np.float32)
    for start in range(0, len(encoded), batch_size):
        rows = longest_first[start : start + batch_size]
        batch = encoded.batch(rows)
        values[rows] = run(batch["token_ids"], batch["segment_ids"], batch["padding_mask"]).numpy()
    finite = np.isfinite(values).all(axis=1)
    if not finite.all():
        raise UserError(
            f"task {task.name}, split {encoded.split}: {np.sum(~finite)} of {len(encoded)} predictions are "
            "not finite numbers; the model's training diverged"
        )
    return values
