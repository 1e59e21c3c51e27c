"""Tensors as TF Serving's REST API writes them in JSON."""

from __future__ import annotations

import base64
import binascii
import math
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf
from tensorflow.core.protobuf import meta_graph_pb2

from mtdnn_tf.serving.server.status import invalid

# NumPy's own limit is 32 in the older dependency set.
_MOST_DIMENSIONS = 32
_BINARY_SUFFIX = "_bytes"


class PredictBody(NamedTuple):
    """A predict request.

    Attributes:
        inputs: Arrays by input.
        by_row: Whether the request has `instances`, so that the answer has rows.
    """

    inputs: dict[str, np.ndarray]
    by_row: bool


def inputs_of_json(body: Mapping[str, Any], definition: meta_graph_pb2.SignatureDef) -> PredictBody:
    """Returns the inputs of a predict request in the row or the columnar form.

    Args:
        body: An object with `instances` or `inputs`.
        definition: The signature.

    Raises:
        ServingError: The object has neither or both, or a value is not what the signature takes.
    """
    if ("instances" in body) == ("inputs" in body):
        raise invalid("the request must have either 'instances' or 'inputs'")
    by_row = "instances" in body
    columns = _columns_of_rows(body["instances"], definition) if by_row else _columns(body["inputs"], definition)
    where = "instances" if by_row else "inputs"
    return PredictBody(
        {
            name: tensor_of_json(values, tf.as_dtype(definition.inputs[name].dtype), f"{name!r} in '{where}'")
            for name, values in columns.items()
        },
        by_row,
    )


def _columns_of_rows(rows: Any, definition: meta_graph_pb2.SignatureDef) -> dict[str, list[Any]]:
    if not isinstance(rows, list) or not rows:
        raise invalid("'instances' must be a list of at least one row")
    names = sorted(definition.inputs)
    if len(names) == 1 and not _is_named(rows[0], names):
        return {names[0]: rows}
    for number, row in enumerate(rows):
        if not isinstance(row, dict) or sorted(row) != names:
            given = ", ".join(sorted(row)) if isinstance(row, dict) else "no object"
            raise invalid(f"element {number} of 'instances' must be an object of {', '.join(names)}; got {given}")
    return {name: [row[name] for row in rows] for name in names}


def _columns(inputs: Any, definition: meta_graph_pb2.SignatureDef) -> dict[str, Any]:
    names = sorted(definition.inputs)
    if len(names) == 1 and not _is_named(inputs, names):
        return {names[0]: inputs}
    if not isinstance(inputs, dict) or sorted(inputs) != names:
        given = ", ".join(sorted(inputs)) if isinstance(inputs, dict) else "no object"
        raise invalid(f"'inputs' must be an object of {', '.join(names)}; got {given}")
    return inputs


def _is_named(value: Any, names: list[str]) -> bool:
    """Returns whether a value names the only input; `{"b64": ...}` is a string."""
    return isinstance(value, dict) and (list(value) != ["b64"] or names == ["b64"])


def tensor_of_json(value: Any, dtype: tf.DType, where: str) -> np.ndarray:
    """Returns the array of a JSON value or of lists of lists of them.

    Args:
        value: A parsed JSON value.
        dtype: Expected type.
        where: Location of the value, for messages.

    Raises:
        ServingError: The lists are ragged, or a value is of another type.
    """
    shape: list[int] = []
    level = value
    while isinstance(level, list):
        shape.append(len(level))
        if len(shape) > _MOST_DIMENSIONS:
            raise invalid(f"{where} has more than {_MOST_DIMENSIONS} dimensions")
        level = level[0] if level else None
    leaves: list[Any] = []

    def collect(node: Any, depth: int) -> None:
        is_list = isinstance(node, list)
        if is_list != (depth < len(shape)) or (is_list and len(node) != shape[depth]):
            raise invalid(f"{where} is ragged; all lists of a level must have the same length")
        if not is_list:
            leaves.append(_leaf(node, dtype, where))
            return
        for child in node:
            collect(child, depth + 1)

    collect(value, 0)
    if dtype == tf.string:
        array = np.empty(len(leaves), object)
        array[:] = leaves
        return array.reshape(shape)
    with np.errstate(over="ignore"):
        array = np.array(leaves, dtype.as_numpy_dtype).reshape(shape)
    if dtype.is_floating and np.isinf(array).sum() > sum(map(math.isinf, leaves)):
        raise invalid(f"{where} holds a number that is too large for {dtype.name}")
    return array


def _leaf(value: Any, dtype: tf.DType, where: str) -> Any:
    if dtype == tf.string:
        encoded = _bytes(value)
        if encoded is not None:
            return encoded
    elif dtype == tf.bool:
        if isinstance(value, bool):
            return value
    elif dtype.is_floating and not isinstance(value, bool) and isinstance(value, (int, float)):
        try:
            return float(value)
        except OverflowError:
            raise invalid(f"{where} holds a number that is too large for {dtype.name}") from None
    elif dtype.is_integer and not isinstance(value, bool) and isinstance(value, int):
        if dtype.min <= value <= dtype.max:
            return value
        raise invalid(f"{where} must be {dtype.name} from {dtype.min} to {dtype.max}, got {str(value)[:40]}")
    raise invalid(f"{where} must be {dtype.name}, got {_shown(value)}")


def _bytes(value: Any) -> bytes | None:
    """Returns the bytes of a string or of `{"b64": ...}`; None if a value is neither."""
    try:
        if isinstance(value, str):
            return value.encode()
        if isinstance(value, dict) and list(value) == ["b64"] and isinstance(value["b64"], str):
            return base64.b64decode(value["b64"], validate=True)
    except (UnicodeEncodeError, binascii.Error, ValueError):
        return None
    return None


def _shown(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, (list, dict)):
        return "a list" if isinstance(value, list) else "an object"
    return repr(value)[:60]


def outputs_to_json(outputs: Mapping[str, np.ndarray], by_row: bool) -> dict[str, Any]:
    """Returns the answer to a predict request: `predictions` row by row, or `outputs` by column.

    Raises:
        ServingError: The answer needs rows, and outputs have none or different numbers of them.
    """
    values = {name: array_to_json(array, name) for name, array in outputs.items()}
    if not by_row:
        return {"outputs": values if len(values) > 1 else next(iter(values.values()))}
    rows = {array.shape[0] if array.ndim else None for array in outputs.values()}
    if len(rows) != 1 or None in rows:
        shapes = ", ".join(f"{name} {list(array.shape)}" for name, array in sorted(outputs.items()))
        raise invalid(f"the outputs have no rows in common ({shapes}); ask with 'inputs' instead of 'instances'")
    if len(values) == 1:
        return {"predictions": next(iter(values.values()))}
    return {"predictions": [dict(zip(values, row)) for row in zip(*values.values())]}


def array_to_json(array: np.ndarray, name: str = "") -> Any:
    """Returns an array as nested lists; bytes as strings, or as `{"b64": ...}` where the name ends in `_bytes`."""
    if array.dtype == object:
        leaves = [_string_to_json(value, name.endswith(_BINARY_SUFFIX)) for value in array.reshape(-1)]
    elif array.dtype.kind in "biu":
        return array.tolist()
    elif tf.as_dtype(array.dtype).is_floating:
        if array.dtype != np.float64:
            array = array.astype(np.float32)
        leaves = [number_to_json(value) for value in array.reshape(-1)]
    else:
        raise invalid(f"output {name!r} of type {array.dtype} cannot be written as JSON")
    nested = np.empty(array.size, object)
    nested[:] = leaves
    return nested.reshape(array.shape).tolist()


def number_to_json(value: float | np.floating[Any]) -> float:
    """Returns the shortest number that is the same in the value's own precision, 0.1 for float32's 0.1."""
    return float(str(value))


def _string_to_json(value: bytes, is_binary: bool) -> Any:
    if not is_binary:
        try:
            return value.decode()
        except UnicodeDecodeError:
            pass
    return {"b64": base64.b64encode(value).decode()}
