"""Tensors and examples as TF Serving's REST API writes them in JSON."""

from __future__ import annotations

import base64
import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import tensorflow as tf
from tensorflow.core.protobuf.meta_graph_pb2 import SignatureDef

from mtdnn_tf.serving.server.status import invalid

# NumPy's own limit is 32 in the older dependency set.
_MOST_DIMENSIONS = 32


def inputs_of_json(body: Mapping[str, Any], definition: SignatureDef) -> tuple[dict[str, np.ndarray], bool]:
    """Returns the arrays of a predict request by input, and whether it has `instances` (rows) or `inputs` (columns)."""
    if ("instances" in body) == ("inputs" in body):
        raise invalid("the request must have either 'instances' or 'inputs'")
    by_row = "instances" in body
    where = "instances" if by_row else "inputs"
    given = body[where]
    if by_row and (not isinstance(given, list) or not given):
        raise invalid("'instances' must be a list of at least one row")
    rows = given if by_row else [given]
    names = sorted(definition.inputs)
    # Whether the value names the only input; `{"b64": ...}` is a string.
    is_named = isinstance(rows[0], dict) and (list(rows[0]) != ["b64"] or names == ["b64"])
    if len(names) == 1 and not is_named:
        columns = {names[0]: given}
    else:
        for number, row in enumerate(rows):
            if not isinstance(row, dict) or sorted(row) != names:
                got = ", ".join(sorted(row)) if isinstance(row, dict) else "no object"
                what = f"element {number} of 'instances'" if by_row else "'inputs'"
                raise invalid(f"{what} must be an object of {', '.join(names)}; got {got}")
        columns = {name: [row[name] for row in rows] for name in names} if by_row else given
    arrays = {
        name: tensor_of_json(values, tf.as_dtype(definition.inputs[name].dtype), f"{name!r} in '{where}'")
        for name, values in columns.items()
    }
    return arrays, by_row


def tensor_of_json(value: Any, dtype: tf.DType, where: str) -> np.ndarray:
    """Returns the array of a JSON value or of lists of lists of them; `where` is its place, for messages."""
    array = np.array(value, object)
    values = array.ravel().tolist()  # NumPy 2 makes arrays of up to 64 dimensions, but iterates over 32 only.
    is_ragged = any(isinstance(leaf, list) for leaf in values)
    if array.ndim + is_ragged > _MOST_DIMENSIONS:
        raise invalid(f"{where} has more than {_MOST_DIMENSIONS} dimensions")
    if is_ragged:
        raise invalid(f"{where} is ragged; all lists of a level must have the same length")
    leaves = [_leaf(leaf, dtype, where) for leaf in values]
    if dtype == tf.string:
        return np.fromiter(leaves, object, len(leaves)).reshape(array.shape)
    try:
        with np.errstate(over="ignore"):
            numbers = [float(leaf) for leaf in leaves] if dtype.is_floating else leaves
            converted = np.array(numbers, dtype.as_numpy_dtype).reshape(array.shape)
    except OverflowError:
        converted = np.array(math.inf)
    if dtype.is_floating and np.isinf(converted).sum() > leaves.count(math.inf) + leaves.count(-math.inf):
        raise invalid(f"{where} holds a number that is too large for {dtype.name}")
    return converted


def _leaf(value: Any, dtype: tf.DType, where: str) -> Any:
    if dtype == tf.string:
        value = _bytes(value)
        if isinstance(value, bytes):
            return value
    elif isinstance(value, bool):
        if dtype == tf.bool:
            return value
    elif isinstance(value, int) and dtype.is_integer:
        if dtype.min <= value <= dtype.max:
            return value
        raise invalid(f"{where} must be {dtype.name} from {dtype.min} to {dtype.max}, got {str(value)[:40]}")
    elif isinstance(value, (int, float)) and dtype.is_floating:
        return value
    names = {type(None): "null", dict: "an object"}
    raise invalid(f"{where} must be {dtype.name}, got {names.get(type(value)) or repr(value)[:60]}")


def _bytes(value: Any) -> Any:
    """Returns the bytes of a string or of `{"b64": ...}`, and any other value as it is."""
    try:
        if isinstance(value, str):
            return value.encode()
        if isinstance(value, dict) and list(value) == ["b64"] and isinstance(value["b64"], str):
            return base64.b64decode(value["b64"], validate=True)
    except ValueError:  # Not UTF-8, or not base64.
        pass
    return value


def outputs_to_json(outputs: Mapping[str, np.ndarray], by_row: bool) -> dict[str, Any]:
    """Returns the answer to a predict request: `predictions` row by row, or `outputs` by column."""
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
    """Returns an array as nested lists; bytes as strings, or as `{"b64": ...}` where the name ends in `_bytes`.

    Numbers are the shortest that are the same in the array's own precision, 0.1 for float32's 0.1.
    """
    if array.dtype == object:
        leaves = (_string_to_json(value, name.endswith("_bytes")) for value in array.flat)
        return np.fromiter(leaves, object, array.size).reshape(array.shape).tolist()
    if array.dtype.kind in "biu":
        return array.tolist()
    if not tf.as_dtype(array.dtype).is_floating:
        raise invalid(f"output {name!r} of type {array.dtype} cannot be written as JSON")
    return (array if array.dtype == np.float64 else array.astype(np.float32)).astype(str).astype(np.float64).tolist()


def _string_to_json(value: bytes, is_binary: bool) -> Any:
    try:
        if not is_binary:
            return value.decode()
    except UnicodeDecodeError:
        pass
    return {"b64": base64.b64encode(value).decode()}


def examples_of_json(body: Mapping[str, Any]) -> list[bytes]:
    """Returns the serialized tf.Example of every object in `examples`, with the features of `context`, if given."""
    examples = body.get("examples")
    if not isinstance(examples, list) or not examples:
        raise invalid("'examples' must be a list of at least one object of features")
    context = body.get("context", {})
    for number, features in [("'context'", context), *((f"example {n}", row) for n, row in enumerate(examples))]:
        if not isinstance(features, dict):
            raise invalid(f"{number} must be an object of features")
    return [_example({**context, **features}, number) for number, features in enumerate(examples)]


def _example(features: Mapping[str, Any], number: int) -> bytes:
    """Returns an example with strings as bytes, whole numbers as int64 and others as floats."""
    example = tf.train.Example()
    for name, value in features.items():
        if not isinstance(_bytes(name), bytes):
            raise invalid(f"example {number}: names of features must be UTF-8, got {name!r}")
        feature, where = example.features.feature[name], f"feature {name!r} of example {number}"
        elements = [_bytes(element) for element in (value if isinstance(value, list) else [value])]
        kinds = {type(element) for element in elements}
        if not kinds <= {bytes, int, float}:
            raise invalid(f"{where} must be a string (UTF-8 or base64), a number, or a list of either")
        if len(kinds) > 1:
            raise invalid(f"{where} mixes types: {', '.join(sorted(kind.__name__ for kind in kinds))}")
        field = {bytes: feature.bytes_list, int: feature.int64_list, float: feature.float_list}
        for kind in kinds:  # An empty list has no kind: its feature has no values.
            try:
                field[kind].value.extend(elements)
            except (ValueError, OverflowError):
                raise invalid(f"{where} has a number out of its type's range") from None
    return example.SerializeToString()
