"""What can be asked of a loaded model: Predict, Classify and Regress, whatever the protocol."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import tensorflow as tf
from tensorflow.core.protobuf import meta_graph_pb2

from mtdnn_tf.serving.server.servable import DEFAULT_SIGNATURE, Servable
from mtdnn_tf.serving.server.status import invalid


class ClassScore(NamedTuple):
    """A class of an example: its label, empty if the model names none, and its score, 0 if it gives none."""

    label: str
    score: float


def predict(
    servable: Servable, signature: str, inputs: Mapping[str, np.ndarray], batch_rows: int, outputs: Sequence[str] = ()
) -> dict[str, np.ndarray]:
    """Returns outputs of a signature by name.

    Args:
        servable: The model.
        signature: The signature's name; the default signature if empty.
        inputs: A value for every input that the signature takes.
        batch_rows: Most rows that are accepted.
        outputs: The outputs to return; all of them if empty.

    Raises:
        ServingError: There is no such signature or output, or an input is missing, unknown or of a wrong kind.
    """
    definition = servable.signature(signature)
    _check_names(definition, set(inputs))
    for name, values in inputs.items():
        _check_tensor(name, values, definition.inputs[name], batch_rows)
    unknown = sorted(set(outputs) - set(definition.outputs))
    if unknown or len(set(outputs)) < len(outputs):
        names = ", ".join(sorted(definition.outputs))
        raise invalid(f"output_filter takes different ones of: {names}; {', '.join(outputs)} given")
    found = servable.run(signature or DEFAULT_SIGNATURE, inputs)
    return {name: found[name] for name in outputs or definition.outputs}


def _check_names(definition: meta_graph_pb2.SignatureDef, given: set[str]) -> None:
    missing, extra = sorted(set(definition.inputs) - given), sorted(given - set(definition.inputs))
    if missing or extra:
        takes = ", ".join(sorted(definition.inputs))
        problems = [f"missing: {', '.join(missing)}"] * bool(missing) + [f"not taken: {', '.join(extra)}"] * bool(extra)
        raise invalid(f"inputs do not match the signature, which takes {takes}; {'; '.join(problems)}")


def _check_tensor(name: str, values: np.ndarray, info: meta_graph_pb2.TensorInfo, batch_rows: int) -> None:
    expected = tf.as_dtype(info.dtype)
    given = tf.as_dtype(values.dtype)
    if given != expected:
        raise invalid(f"input {name!r} takes {expected.name}, {given.name} given")
    shape = tf.TensorShape(info.tensor_shape)
    if not shape.is_compatible_with(values.shape):
        raise invalid(f"input {name!r} takes shape {shape}, {list(values.shape)} given")
    if values.ndim and values.shape[0] > batch_rows:
        raise invalid(f"input {name!r} has {values.shape[0]} rows; a request takes at most {batch_rows}")


def classify(servable: Servable, signature: str, examples: Sequence[bytes], batch_rows: int) -> list[list[ClassScore]]:
    """Returns the classes of every example, as its signature orders them.

    Args:
        servable: The model.
        signature: A signature from serialized examples to `classes`, `scores` or both; the default one if empty.
        examples: A serialized tf.Example for each row.
        batch_rows: Most rows that are accepted.

    Raises:
        ServingError: There is no such signature, or it is of another form.
    """
    outputs = _ask_examples(
        servable,
        signature,
        examples,
        batch_rows,
        "classification",
        (tf.saved_model.CLASSIFY_OUTPUT_CLASSES, tf.saved_model.CLASSIFY_OUTPUT_SCORES),
    )
    shape = next(iter(outputs.values())).shape
    if len(shape) != 2 or shape[0] != len(examples) or any(values.shape != shape for values in outputs.values()):
        shapes = ", ".join(f"{name} {list(values.shape)}" for name, values in outputs.items())
        raise invalid(f"signature is no classification: it gave {shapes} for {len(examples)} rows")
    labels = outputs.get(tf.saved_model.CLASSIFY_OUTPUT_CLASSES, np.full(shape, b"", object))
    scores = outputs.get(tf.saved_model.CLASSIFY_OUTPUT_SCORES, np.zeros(shape, np.float32))
    if labels.dtype != object:
        raise invalid("signature is no classification: its classes are no strings")
    return [
        [ClassScore(label.decode("utf-8", "replace"), score) for label, score in zip(*row)]
        for row in zip(labels, scores)
    ]


def regress(servable: Servable, signature: str, examples: Sequence[bytes], batch_rows: int) -> list[float]:
    """Returns the value of every example, float32.

    Args:
        servable: The model.
        signature: A signature from serialized examples to `outputs` [batch] or [batch, 1]; the default one if empty.
        examples: A serialized tf.Example for each row.
        batch_rows: Most rows that are accepted.

    Raises:
        ServingError: There is no such signature, or it is of another form.
    """
    name = tf.saved_model.REGRESS_OUTPUTS
    values = _ask_examples(servable, signature, examples, batch_rows, "regression", (name,))[name]
    if values.shape not in ((len(examples),), (len(examples), 1)):
        raise invalid(f"signature is no regression: it gave shape {list(values.shape)} for {len(examples)} rows")
    return list(values.reshape(-1))


def _ask_examples(
    servable: Servable, signature: str, examples: Sequence[bytes], batch_rows: int, kind: str, outputs: Sequence[str]
) -> dict[str, np.ndarray]:
    """Asks a signature of TF Serving's form for examples: one input, and outputs of fixed names."""
    definition = servable.signature(signature)
    accepted = [name for name in outputs if name in definition.outputs]
    (name,) = {tf.saved_model.CLASSIFY_INPUTS, tf.saved_model.REGRESS_INPUTS}  # Both have one name.
    if list(definition.inputs) != [name] or not accepted or set(definition.outputs) - set(outputs):
        wanted = f"takes {name!r} and gives {' or '.join(map(repr, outputs))}"
        takes, gives = ", ".join(sorted(definition.inputs)), ", ".join(sorted(definition.outputs))
        raise invalid(f"signature is no {kind}, which {wanted}; it takes {takes} and gives {gives}")
    if not examples:
        raise invalid("Input is empty: no example given")
    return predict(servable, signature, {name: np.array(list(examples), object)}, batch_rows, accepted)
