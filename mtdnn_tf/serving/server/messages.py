"""TF Serving's messages: status and metadata of a model, and the values in requests."""

from __future__ import annotations

import inspect
import math
from typing import Any

import numpy as np
import tensorflow as tf
from google.protobuf import json_format
from tensorflow.core.framework import tensor_pb2
from tensorflow_serving.apis import input_pb2

from mtdnn_tf.serving.server.status import invalid, one_line

SIGNATURE_DEF = "signature_def"
# Protobuf 5 renamed the option to write fields with default values.
_OPTIONS = {"always_print_fields_with_no_presence", "including_default_value_fields"}
_ALL_FIELDS = {name: True for name in inspect.signature(json_format.MessageToDict).parameters if name in _OPTIONS}


def message_json(message: Any) -> dict[str, Any]:
    """Returns a message in the format of TF Serving's REST API, with 64-bit numbers as strings."""
    return dict(json_format.MessageToDict(message, preserving_proto_field_name=True, **_ALL_FIELDS))


def array_of_input(name: str, tensor: tensor_pb2.TensorProto, most_elements: int) -> np.ndarray:
    """Returns an input of a Predict request; refuses large tensors, which a small message may declare."""
    sizes = [dim.size for dim in tensor.tensor_shape.dim]
    if tensor.tensor_shape.unknown_rank or min(sizes, default=0) < 0:
        raise invalid(f"input {name!r} has no known shape")
    if math.prod(sizes) > most_elements:
        raise invalid(f"input {name!r} must have at most {most_elements} elements, got {math.prod(sizes)}")
    try:
        array = tf.make_ndarray(tensor)
        tf.as_dtype(array.dtype)
    except (ValueError, TypeError, IndexError, KeyError, OverflowError) as error:
        raise invalid(f"input {name!r} is not a tensor ({one_line(error)})") from None
    return array


def examples_of_input(given: input_pb2.Input) -> list[bytes]:
    """Returns the serialized examples, at least one, of a Classify or Regress request, each with their context."""
    if given.HasField("example_list_with_context"):
        # Concatenated messages are one message, in which the last feature of a name counts.
        context = given.example_list_with_context.context.SerializeToString()
        examples = [context + example.SerializeToString() for example in given.example_list_with_context.examples]
    else:
        examples = [example.SerializeToString() for example in given.example_list.examples]
    if not examples:
        raise invalid("Input is empty: no example given")
    return examples
