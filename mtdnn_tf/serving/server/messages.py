"""TF Serving's messages: status and metadata of a model, and the values in requests."""

from __future__ import annotations

import inspect
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf
from google.protobuf import json_format
from tensorflow.core.framework import tensor_pb2
from tensorflow_serving.apis import input_pb2, predict_pb2
from tensorflow_serving.apis.get_model_metadata_pb2 import SignatureDefMap
from tensorflow_serving.apis.get_model_status_pb2 import GetModelStatusResponse, ModelVersionStatus

from mtdnn_tf.serving.server.servable import Servable
from mtdnn_tf.serving.server.status import invalid, one_line

SIGNATURE_DEF = "signature_def"
# Protobuf 5 renamed the option to write fields with default values.
_OPTIONS = {"always_print_fields_with_no_presence", "including_default_value_fields"}
_ALL_FIELDS = {name: True for name in inspect.signature(json_format.MessageToDict).parameters if name in _OPTIONS}


def signatures_message(servable: Servable) -> SignatureDefMap:
    """Returns the definitions of a model's signatures."""
    signatures = SignatureDefMap()
    for name, definition in servable.signature_defs.items():
        signatures.signature_def[name].CopyFrom(definition)
    return signatures


def status_json(versions: Sequence[ModelVersionStatus]) -> dict[str, Any]:
    """Returns a model's status in the format of TF Serving's REST API."""
    return _to_dict(GetModelStatusResponse(model_version_status=versions))


def metadata_json(servable: Servable) -> dict[str, Any]:
    """Returns a model's metadata in the format of TF Serving's REST API, with 64-bit numbers as strings."""
    return {
        "model_spec": {"name": servable.model, "signature_name": "", "version": str(servable.version)},
        "metadata": {SIGNATURE_DEF: _to_dict(signatures_message(servable))},
    }


def _to_dict(message: Any) -> dict[str, Any]:
    return dict(json_format.MessageToDict(message, preserving_proto_field_name=True, **_ALL_FIELDS))


def arrays_of_request(request: predict_pb2.PredictRequest, most_elements: int) -> dict[str, np.ndarray]:
    """Returns the inputs of a Predict request; refuses large tensors, which a small message may declare."""
    return {name: _array(name, tensor, most_elements) for name, tensor in request.inputs.items()}


def _array(name: str, tensor: tensor_pb2.TensorProto, most_elements: int) -> np.ndarray:
    sizes = [dim.size for dim in tensor.tensor_shape.dim]
    if tensor.tensor_shape.unknown_rank or min(sizes, default=0) < 0:
        raise invalid(f"input {name!r} has no known shape")
    if math.prod(sizes) > most_elements:
        raise invalid(f"input {name!r} must have at most {most_elements} elements, got {math.prod(sizes)}")
    try:
        array = tf.make_ndarray(tensor)
        tf.as_dtype(array.dtype)
    except (ValueError, TypeError, IndexError, KeyError) as error:
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
