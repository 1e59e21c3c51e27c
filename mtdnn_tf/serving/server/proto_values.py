"""Values in TF Serving's messages."""

from __future__ import annotations

import math

import numpy as np
import tensorflow as tf
from tensorflow.core.framework import tensor_pb2
from tensorflow_serving.apis import input_pb2, predict_pb2

from mtdnn_tf.serving.server.status import invalid, one_line


def arrays_of_request(request: predict_pb2.PredictRequest, most_elements: int) -> dict[str, np.ndarray]:
    """Returns the inputs of a Predict request.

    Args:
        request: The request.
        most_elements: Most elements of a tensor; a small message may declare a huge one.

    Raises:
        ServingError: A tensor is damaged or too large.
    """
    return {name: _array(name, tensor, most_elements) for name, tensor in request.inputs.items()}


def _array(name: str, tensor: tensor_pb2.TensorProto, most_elements: int) -> np.ndarray:
    sizes = [dim.size for dim in tensor.tensor_shape.dim]
    if tensor.tensor_shape.unknown_rank or min(sizes, default=0) < 0:
        raise invalid(f"input {name!r} has no known shape")
    if math.prod(sizes) > most_elements:
        raise invalid(f"input {name!r} declares {math.prod(sizes)} elements; at most {most_elements} are accepted")
    try:
        array = tf.make_ndarray(tensor)
        tf.as_dtype(array.dtype)
    except (ValueError, TypeError, IndexError, KeyError) as error:
        raise invalid(f"input {name!r} is no tensor ({one_line(error)})") from None
    return array


def examples_of_input(given: input_pb2.Input) -> list[bytes]:
    """Returns the serialized examples of a Classify or Regress request, each with the features of their context.

    Raises:
        ServingError: There is none.
    """
    kind = given.WhichOneof("kind")
    if kind == "example_list":
        examples = [example.SerializeToString() for example in given.example_list.examples]
    elif kind == "example_list_with_context":
        # Messages one after the other are one message, in which the later feature of a name holds.
        context = given.example_list_with_context.context.SerializeToString()
        examples = [context + example.SerializeToString() for example in given.example_list_with_context.examples]
    else:
        examples = []
    if not examples:
        raise invalid("Input is empty: no example given")
    return examples
