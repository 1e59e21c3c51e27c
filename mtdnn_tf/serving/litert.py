"""Writing a trained model for LiteRT (TensorFlow Lite), in its built-in operations."""

from __future__ import annotations

import logging
import re
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from mtdnn_tf.data.encoded_split import EncodedSplit
from mtdnn_tf.errors import UserError
from mtdnn_tf.evaluation.development import Answer
from mtdnn_tf.modeling.checkpoints.model_folder import LoadedModel
from mtdnn_tf.serving.client_files import INPUTS, write_client_files
from mtdnn_tf.serving.int8_cost import check_int8
from mtdnn_tf.serving.reduced_weights import FLOAT16, FLOAT32, INT8

MODEL = "model.tflite"
_SIGNATURE = tf.saved_model.DEFAULT_SERVING_SIGNATURE_DEF_KEY


def write_litert(
    loaded: LoadedModel, folder: Path, weights: str, development: Sequence[EncodedSplit], max_accuracy_loss: float
) -> None:
    """Writes model.tflite, tokenizer.json and config.json to a new folder; arguments are those of `write_onnx`.

    `weights` may be "float16", too. All matrices are in int8, or none.
    """
    folder.mkdir()
    made, measured = litert_model(loaded, weights), {}
    if weights == INT8:
        exact = litert_model(loaded, FLOAT32)
        cost = check_int8(litert_answer(exact), litert_answer(made), development, max_accuracy_loss)
        measured = {"development": cost.to_json()}
    (folder / MODEL).write_bytes(made)
    write_client_files(loaded, folder, weights, {"format": "litert", **measured})


def litert_model(loaded: LoadedModel, weights: str) -> bytes:
    """Returns a LiteRT model from token ids to what each task's kind makes of its logits.

    Its one signature has the inputs of `client_files.INPUTS`, int32 [batch, length], and an output for each task,
    float32 [batch, num_outputs].

    Args:
        loaded: The model, with the tasks that it answers there.
        weights: "float32"; "float16", in which matrices are stored; or "int8", in which they are also multiplied, with
            what they multiply quantized as it comes (dynamic range).

    Raises:
        UserError: The model has an operation that is not built in.
    """
    with tempfile.TemporaryDirectory() as folder:
        answers = _Answers(loaded)
        tf.saved_model.save(answers, folder, signatures={_SIGNATURE: answers.signature()})
        converter = tf.lite.TFLiteConverter.from_saved_model(folder, signature_keys=[_SIGNATURE])
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS]
        if weights in (FLOAT16, INT8):
            converter.optimizations = [tf.lite.Optimize.DEFAULT]
        if weights == FLOAT16:
            converter.target_spec.supported_types = [tf.float16]
        try:
            return bytes(_quietly(converter.convert))
        # What the converter raises is not declared.
        except Exception as error:
            operations = sorted(set(re.findall(r"'(tf\.\w+)' op is neither", str(error))))
            what = ", ".join(operations) or str(error).partition("\n")[0]
            raise UserError(
                f"`format=litert`: the model has operations that LiteRT has not built in: {what}"
            ) from error


class _Answers(tf.Module):
    def __init__(self, loaded: LoadedModel) -> None:
        super().__init__()
        self._tasks = list(loaded.tasks)
        # A function, because TensorFlow would track the model, and save functions of every layer.
        self._model = lambda: loaded.model
        self._weights = loaded.model.variables

    def signature(self) -> Any:
        specs = {name: tf.TensorSpec([None, None], tf.int32, name) for name in INPUTS}
        return tf.function(self._answer, autograph=False).get_concrete_function(**specs)

    def _answer(self, **inputs: tf.Tensor) -> dict[str, tf.Tensor]:
        model, heads = self._model(), {task.head_task for task in self._tasks}
        encoded = model.encode({ours: inputs[name] for name, ours in INPUTS.items()}, tasks=sorted(heads))
        logits = {name: model.heads[name](encoded, training=False) for name in sorted(heads)}
        return {task.name: task.kind_object.row_outputs(logits[task.head_task]) for task in self._tasks}


def _quietly(convert: Callable[[], bytes]) -> bytes:
    """Calls a function without TensorFlow's own log lines about conversions."""
    logger = logging.getLogger("tensorflow")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        return convert()
    finally:
        logger.setLevel(level)


def litert_answer(model: bytes) -> Answer:
    """Returns what answers by a LiteRT model."""
    runner = tf.lite.Interpreter(model_content=model).get_signature_runner(_SIGNATURE)

    def answer(task: str, batch: Mapping[str, np.ndarray]) -> np.ndarray:
        return np.asarray(runner(**{name: batch[ours].astype(np.int32) for name, ours in INPUTS.items()})[task])

    return answer
