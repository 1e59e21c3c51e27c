"""A client of TF Serving's gRPC API."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import Any

import grpc
import tensorflow as tf
from tensorflow_serving.apis import get_model_metadata_pb2, predict_pb2, prediction_service_pb2_grpc

from mtdnn_tf.errors import UserError
from mtdnn_tf.serving.client.connection import Patience, Signature, Unavailable, with_retries

_LATER = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.RESOURCE_EXHAUSTED)
_FIELD = "signature_def"


class GrpcConnection:
    """A connection to one model of a server.

    Args:
        server: Host and port, such as 127.0.0.1:8500.
        model: The model's name.
        patience: Timeout and retries.
    """

    def __init__(self, server: str, model: str, patience: Patience) -> None:
        self._server, self._model, self._patience = server, model, patience
        self._channel = grpc.insecure_channel(server, options=[("grpc.max_receive_message_length", -1)])
        self._stub = prediction_service_pb2_grpc.PredictionServiceStub(self._channel)

    def __enter__(self) -> GrpcConnection:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._channel.close()

    def signatures(self) -> dict[str, Signature]:
        """Returns the model's signatures by name."""
        request = get_model_metadata_pb2.GetModelMetadataRequest(metadata_field=[_FIELD])
        request.model_spec.name = self._model
        signatures = get_model_metadata_pb2.SignatureDefMap()
        self._ask(self._stub.GetModelMetadata, request).metadata[_FIELD].Unpack(signatures)
        return {
            name: Signature(tuple(sorted(one.inputs)), tuple(sorted(one.outputs)))
            for name, one in signatures.signature_def.items()
        }

    def predict(self, signature: str, inputs: Mapping[str, Sequence[str]]) -> dict[str, list[Any]]:
        """Returns every output of a signature, as lists of a value per row.

        Args:
            signature: The signature's name.
            inputs: Texts by input.
        """
        request = predict_pb2.PredictRequest()
        request.model_spec.name = self._model
        request.model_spec.signature_name = signature
        for name, values in inputs.items():
            request.inputs[name].CopyFrom(tf.make_tensor_proto(list(values), tf.string, [len(values)]))
        outputs = self._ask(self._stub.Predict, request).outputs
        return {name: _decoded(tf.make_ndarray(values).tolist()) for name, values in outputs.items()}

    def _ask(self, method: Callable[..., Any], request: Any) -> Any:
        return with_retries(lambda: self._ask_once(method, request), self._patience, f"grpc://{self._server}")

    def _ask_once(self, method: Callable[..., Any], request: Any) -> Any:
        try:
            return method(request, timeout=self._patience.timeout)
        except grpc.RpcError as error:
            code, details = error.code(), error.details()
        if code in _LATER:
            raise Unavailable(details)
        if code == grpc.StatusCode.DEADLINE_EXCEEDED:
            seconds = self._patience.timeout
            raise UserError(f"grpc://{self._server}: no answer within {seconds:g} seconds; see --timeout")
        raise UserError(f"grpc://{self._server}: {details} ({code.name})")


def _decoded(value: Any) -> Any:
    """Returns strings for bytes within lists of lists."""
    if isinstance(value, list):
        return [_decoded(child) for child in value]
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value
