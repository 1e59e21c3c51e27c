"""Examples of classify and regress requests as TF Serving's REST API writes them in JSON."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from typing import Any

import tensorflow as tf

from mtdnn_tf.serving.server.status import invalid


def examples_of_json(body: Mapping[str, Any]) -> list[bytes]:
    """Returns the serialized tf.Example of every row of a request, with the features of its `context`.

    Args:
        body: An object with `examples`, a list of objects, and optionally `context`, features of all of them.

    Raises:
        ServingError: `examples` is missing or empty, or a feature is neither a value nor a list of values of one type.
    """
    examples = body.get("examples")
    if not isinstance(examples, list) or not examples:
        raise invalid("'examples' must be a list of at least one object of features")
    context = body.get("context", {})
    for number, features in [("'context'", context), *((f"example {n}", row) for n, row in enumerate(examples))]:
        if not isinstance(features, dict):
            raise invalid(f"{number} must be an object of features")
    return [_example({**context, **features}, number) for number, features in enumerate(examples)]


def _example(features: Mapping[str, Any], number: int) -> bytes:
    example = tf.train.Example()
    for name, value in features.items():
        _fill(example.features.feature[name], value, f"feature {name!r} of example {number}")
    return example.SerializeToString()


def _fill(feature: tf.train.Feature, value: Any, where: str) -> None:
    """Writes one value or a list of them: strings as bytes, whole numbers as int64, others as floats."""
    elements = [_element(element, where) for element in (value if isinstance(value, list) else [value])]
    kinds = {type(element) for element in elements}
    if len(kinds) > 1:
        raise invalid(f"{where} mixes types: {', '.join(sorted(kind.__name__ for kind in kinds))}")
    field = {bytes: feature.bytes_list, int: feature.int64_list, float: feature.float_list}
    for kind in kinds:  # An empty list has no kind: its feature has no values.
        try:
            field[kind].value.extend(elements)
        except (ValueError, OverflowError):
            raise invalid(f"{where} has a number out of its type's range") from None


def _element(element: Any, where: str) -> bytes | int | float:
    try:
        if isinstance(element, str):
            return element.encode()
        if isinstance(element, dict) and list(element) == ["b64"] and isinstance(element["b64"], str):
            return base64.b64decode(element["b64"], validate=True)
    except (UnicodeEncodeError, binascii.Error, ValueError):
        raise invalid(f"{where} has a string that is not UTF-8 or not base64") from None
    if isinstance(element, (int, float)) and not isinstance(element, bool):
        return element
    raise invalid(f"{where} must be a string, a number, or a list of either")
