"""What is said of a model rather than by it: its status and its metadata, as TF Serving's messages and as JSON."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import Any

from google.protobuf import json_format
from tensorflow_serving.apis.get_model_metadata_pb2 import GetModelMetadataResponse, SignatureDefMap
from tensorflow_serving.apis.get_model_status_pb2 import GetModelStatusResponse, ModelVersionStatus

from mtdnn_tf.serving.server.servable import Servable

SIGNATURE_DEF = "signature_def"
# Protobuf 5 has renamed the option to write fields that have their default value.
_OPTIONS = {"always_print_fields_with_no_presence", "including_default_value_fields"}
_ALL_FIELDS = {name: True for name in inspect.signature(json_format.MessageToDict).parameters if name in _OPTIONS}


def status_message(versions: Sequence[ModelVersionStatus]) -> GetModelStatusResponse:
    """Returns the answer to a question for a model's status."""
    return GetModelStatusResponse(model_version_status=versions)


def metadata_message(servable: Servable) -> GetModelMetadataResponse:
    """Returns the answer to a question for a model's signatures."""
    response = GetModelMetadataResponse()
    response.model_spec.name = servable.model
    response.model_spec.version.value = servable.version
    response.metadata[SIGNATURE_DEF].Pack(_signatures(servable))
    return response


def _signatures(servable: Servable) -> SignatureDefMap:
    signatures = SignatureDefMap()
    for name, definition in servable.signature_defs.items():
        signatures.signature_def[name].CopyFrom(definition)
    return signatures


def status_json(versions: Sequence[ModelVersionStatus]) -> dict[str, Any]:
    """Returns a model's status as TF Serving's REST API has it."""
    return _to_dict(status_message(versions))


def metadata_json(servable: Servable) -> dict[str, Any]:
    """Returns a model's metadata as TF Serving's REST API has it, numbers of 64 bits as strings."""
    return {
        "model_spec": {"name": servable.model, "signature_name": "", "version": str(servable.version)},
        "metadata": {SIGNATURE_DEF: _to_dict(_signatures(servable))},
    }


def _to_dict(message: Any) -> dict[str, Any]:
    return dict(json_format.MessageToDict(message, preserving_proto_field_name=True, **_ALL_FIELDS))
