"""Predict, Classify and Regress on a loaded model, for any protocol."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf
from tensorflow.core.protobuf import meta_graph_pb2
from tensorflow_serving.apis import classification_pb2, predict_pb2, prediction_log_pb2

from mtdnn_tf.serving.server.messages import array_of_input, examples_of_input
from mtdnn_tf.serving.server.models.servable import DEFAULT_SIGNATURE, Servable
from mtdnn_tf.serving.server.status import invalid

WARMUP_REQUESTS = "assets.extra/tf_serving_warmup_requests"
# TF Serving's limits of warm-up.
_MOST_RECORDS = 1000
_MOST_ROWS = 1 << 20


def predict(
    servable: Servable, signature: str, inputs: Mapping[str, np.ndarray], batch_rows: int, outputs: Sequence[str] = ()
) -> dict[str, np.ndarray]:
    """Returns the named outputs of a signature, or all; the default signature if its name is empty."""
    definition = servable.signature(signature)
    takes = set(definition.inputs)
    missing, extra = ", ".join(sorted(takes - set(inputs))), ", ".join(sorted(set(inputs) - takes))
    if missing or extra:
        problems = [f"missing: {missing}"] * bool(missing) + [f"not taken: {extra}"] * bool(extra)
        names = ", ".join(sorted(takes))
        raise invalid(f"inputs do not match the signature, which takes {names}; {'; '.join(problems)}")
    for name, values in inputs.items():
        _check_tensor(name, values, definition.inputs[name], batch_rows)
    unknown = set(outputs) - set(definition.outputs)
    if unknown or len(set(outputs)) < len(outputs):
        names = ", ".join(sorted(definition.outputs))
        raise invalid(f"output_filter must be different names of {names}, got {', '.join(outputs)}")
    found = servable.run(signature, inputs)
    return {name: found[name] for name in outputs or definition.outputs}


def _check_tensor(name: str, values: np.ndarray, info: meta_graph_pb2.TensorInfo, batch_rows: int) -> None:
    expected = tf.as_dtype(info.dtype)
    given = tf.as_dtype(values.dtype)
    if given != expected:
        raise invalid(f"input {name!r} must be {expected.name}, got {given.name}")
    shape = tf.TensorShape(info.tensor_shape)
    if not shape.is_compatible_with(values.shape):
        raise invalid(f"input {name!r} must have shape {shape}, got {list(values.shape)}")
    if values.ndim and values.shape[0] > batch_rows:
        raise invalid(f"input {name!r} must have at most {batch_rows} rows, got {values.shape[0]}")


def classify(
    servable: Servable, signature: str, examples: Sequence[bytes], batch_rows: int
) -> list[list[tuple[str, np.floating[Any]]]]:
    """Returns the classes of every serialized tf.Example, in the order of the signature's output.

    A class is its label, "" if the model has no labels, and its score, 0 if the model has no scores.
    """
    names = tf.saved_model.CLASSIFY_OUTPUT_CLASSES, tf.saved_model.CLASSIFY_OUTPUT_SCORES
    outputs = _ask_examples(servable, signature, examples, batch_rows, "classification", names)
    shape = next(iter(outputs.values())).shape
    if len(shape) != 2 or shape[0] != len(examples) or any(values.shape != shape for values in outputs.values()):
        shapes = ", ".join(f"{name} {list(values.shape)}" for name, values in outputs.items())
        raise invalid(f"not a classification signature: it returned {shapes} for {len(examples)} rows")
    labels = outputs.get(names[0], np.full(shape, b"", object))
    scores = outputs.get(names[1], np.zeros(shape, np.float32))
    if labels.dtype != object:
        raise invalid("not a classification signature: its classes are not strings")
    return [[(label.decode("utf-8", "replace"), score) for label, score in zip(*row)] for row in zip(labels, scores)]


def regress(servable: Servable, signature: str, examples: Sequence[bytes], batch_rows: int) -> list[np.floating[Any]]:
    """Returns the value of every serialized tf.Example, float32."""
    name = tf.saved_model.REGRESS_OUTPUTS
    values = _ask_examples(servable, signature, examples, batch_rows, "regression", (name,))[name]
    if values.shape not in ((len(examples),), (len(examples), 1)):
        raise invalid(f"not a regression signature: it returned shape {list(values.shape)} for {len(examples)} rows")
    return list(values.reshape(-1))


def _ask_examples(
    servable: Servable, signature: str, examples: Sequence[bytes], batch_rows: int, kind: str, outputs: Sequence[str]
) -> dict[str, np.ndarray]:
    """Runs a signature of TF Serving's form for examples: one input, and outputs with fixed names."""
    definition = servable.signature(signature)
    accepted = [name for name in outputs if name in definition.outputs]
    name = tf.saved_model.CLASSIFY_INPUTS  # REGRESS_INPUTS is the same name.
    if list(definition.inputs) != [name] or not accepted or set(definition.outputs) - set(outputs):
        wanted = f"takes {name!r} and returns {' or '.join(map(repr, outputs))}"
        takes, gives = ", ".join(sorted(definition.inputs)), ", ".join(sorted(definition.outputs))
        raise invalid(f"not a {kind} signature, which {wanted}; this one takes {takes} and returns {gives}")
    return predict(servable, signature, {name: np.array(list(examples), object)}, batch_rows, accepted)


def answer_message(servable: Servable, request: Any, response: Any, batch_rows: int, most_elements: int) -> None:
    """Answers a message of gRPC that asks to predict, classify or regress, in its response."""
    name = request.model_spec.signature_name or DEFAULT_SIGNATURE
    servable.signature(name)
    response.model_spec.signature_name = name
    if isinstance(request, predict_pb2.PredictRequest):
        inputs = {key: array_of_input(key, tensor, most_elements) for key, tensor in request.inputs.items()}
        for output, values in predict(servable, name, inputs, batch_rows, request.output_filter).items():
            response.outputs[output].CopyFrom(tf.make_tensor_proto(values))
    elif isinstance(request, classification_pb2.ClassificationRequest):
        for row in classify(servable, name, examples_of_input(request.input), batch_rows):
            classes = response.result.classifications.add().classes
            for label, score in row:
                classes.add(label=label, score=score)
    else:
        for value in regress(servable, name, examples_of_input(request.input), batch_rows):
            response.result.regressions.add(value=value)


def warm_up(servable: Servable) -> int:
    """Replays a model's warm-up requests, which make its first real request fast, and returns their number."""
    path = servable.folder / WARMUP_REQUESTS
    found = tf.data.TFRecordDataset(str(path)).as_numpy_iterator() if path.is_file() else ()
    records = list(itertools.islice(found, _MOST_RECORDS))
    for record in records:
        log = prediction_log_pb2.PredictionLog.FromString(record)
        kind = log.WhichOneof("log_type")
        if kind not in ("predict_log", "classify_log", "regress_log"):
            raise ValueError(f"warm-up record must be predict_log, classify_log or regress_log, got {kind}")
        asked = getattr(log, kind)
        answer_message(servable, asked.request, asked.response, _MOST_ROWS, _MOST_ROWS << 8)
    return len(records)
