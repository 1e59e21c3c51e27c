"""Clients of TF Serving's REST and gRPC APIs."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import grpc
import httpx
import tensorflow as tf
from tensorflow_serving.apis import get_model_metadata_pb2, predict_pb2, prediction_service_pb2_grpc

from mtdnn_tf.errors import UserError

_FIRST_WAIT = 0.2  # Seconds; it doubles with each retry.
_RETRIED_STATUS = (429, 502, 503)
_RETRIED_CODES = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.RESOURCE_EXHAUSTED)
_FIELD = "signature_def"


class Unavailable(Exception):
    """Raised if a server is unreachable or busy; a retry may succeed."""


class Patience(NamedTuple):
    """Timeout in seconds of each attempt, and number of retries if the server is unavailable."""

    timeout: float = 10.0
    retries: int = 3


class Signature(NamedTuple):
    """Sorted names of a signature's inputs and outputs."""

    inputs: list[str]
    outputs: list[str]


class Connection(contextlib.AbstractContextManager["Connection"]):
    """A connection to one model of a server."""

    def __init__(self, server: str, patience: Patience, api_key: str = "") -> None:
        self._server, self._patience = server, patience
        self._authorization = f"Bearer {api_key}" if api_key else ""
        self._channel: Any = None

    def __exit__(self, *_: object) -> None:
        self._channel.close()

    def signatures(self) -> dict[str, Signature]:
        """Returns the model's signatures by name."""
        raise NotImplementedError

    def predict(self, signature: str, inputs: Mapping[str, Sequence[str]]) -> dict[str, list[Any]]:
        """Returns every output of a signature, as lists of numbers, strings or lists, one per row of the texts."""
        raise NotImplementedError

    def _ask_once(self, *request: Any) -> Any:
        """Sends one request, or raises Unavailable."""
        raise NotImplementedError

    def _ask(self, *request: Any) -> Any:
        """Sends one request until it is answered, with increasing delays between attempts."""
        attempts = self._patience.retries + 1
        for attempt in range(attempts):
            if attempt:
                time.sleep(_FIRST_WAIT * 2 ** (attempt - 1))
            try:
                return self._ask_once(*request)
            except Unavailable as error:
                reason = error
        raise UserError(f"{self._server}: no answer after {attempts} attempt{'s' * (attempts > 1)} ({reason})")

    def _timeout(self) -> UserError:
        return UserError(f"{self._server}: no answer within {self._patience.timeout:g} seconds; see --timeout")


class RestConnection(Connection):
    """A connection by REST to a server such as http://127.0.0.1:8501."""

    def __init__(self, server: str, model: str, patience: Patience, api_key: str = "") -> None:
        super().__init__(server.rstrip("/"), patience, api_key)
        self._path = f"/v1/models/{model}"
        try:
            self._channel = httpx.Client(
                base_url=self._server,
                timeout=patience.timeout,
                trust_env=False,
                headers={"Authorization": self._authorization} if self._authorization else {},
            )
        except (httpx.InvalidURL, ValueError) as error:
            raise UserError(f"--server must be a URL, got {server!r} ({error})") from None

    def signatures(self) -> dict[str, Signature]:  # noqa: D102
        metadata = self._ask("GET", f"{self._path}/metadata")
        try:
            found = metadata["metadata"]["signature_def"]["signature_def"]
            return {
                name: Signature(sorted(one.get("inputs", {})), sorted(one.get("outputs", {})))
                for name, one in found.items()
            }
        except (KeyError, TypeError, AttributeError):
            raise UserError(f"{self._server}{self._path}/metadata: not the metadata of a model") from None

    def predict(self, signature: str, inputs: Mapping[str, Sequence[str]]) -> dict[str, list[Any]]:  # noqa: D102
        body = {"signature_name": signature, "inputs": {name: list(values) for name, values in inputs.items()}}
        outputs = self._ask("POST", f"{self._path}:predict", body).get("outputs")
        if isinstance(outputs, list):  # The only output comes without its name.
            outputs = {"": outputs}
        if not isinstance(outputs, dict):
            raise UserError(f"{self._server}{self._path}:predict: the answer has no 'outputs'")
        return outputs

    def _ask_once(self, method: str, path: str, body: Any = None) -> dict[str, Any]:
        try:
            response = self._channel.request(method, path, json=body)
        except httpx.TimeoutException:
            raise self._timeout() from None
        except (httpx.UnsupportedProtocol, httpx.InvalidURL, UnicodeError) as error:
            raise UserError(f"--server must be a URL, got {self._server!r} ({error})") from None
        except httpx.TransportError as error:
            raise Unavailable(error) from None
        try:
            answer = response.json()
        except ValueError:
            answer = None
        status = response.status_code
        reason = answer.get("error") if isinstance(answer, dict) else None
        if status in _RETRIED_STATUS:
            raise Unavailable(reason or f"status {status}")
        if status != 200 or not isinstance(answer, dict):
            raise UserError(f"{self._server}{path}: {reason or 'the answer is not JSON'} (status {status})")
        return answer


class GrpcConnection(Connection):
    """A connection by gRPC to an address such as 127.0.0.1:8500."""

    def __init__(self, address: str, model: str, patience: Patience, api_key: str = "") -> None:
        super().__init__(f"grpc://{address}", patience, api_key)
        self._model = model
        # No proxy of the environment, as in REST.
        options = [("grpc.max_receive_message_length", -1), ("grpc.enable_http_proxy", 0)]
        self._channel = grpc.insecure_channel(address, options=options)
        self._stub = prediction_service_pb2_grpc.PredictionServiceStub(self._channel)

    def signatures(self) -> dict[str, Signature]:  # noqa: D102
        request = get_model_metadata_pb2.GetModelMetadataRequest(metadata_field=[_FIELD])
        request.model_spec.name = self._model
        found = get_model_metadata_pb2.SignatureDefMap()
        self._ask(self._stub.GetModelMetadata, request).metadata[_FIELD].Unpack(found)
        return {name: Signature(sorted(one.inputs), sorted(one.outputs)) for name, one in found.signature_def.items()}

    def predict(self, signature: str, inputs: Mapping[str, Sequence[str]]) -> dict[str, list[Any]]:  # noqa: D102
        request = predict_pb2.PredictRequest()
        request.model_spec.name = self._model
        request.model_spec.signature_name = signature
        for name, values in inputs.items():
            request.inputs[name].CopyFrom(tf.make_tensor_proto(list(values), tf.string, [len(values)]))
        outputs = self._ask(self._stub.Predict, request).outputs
        return {name: _decoded(tf.make_ndarray(values).tolist()) for name, values in outputs.items()}

    def _ask_once(self, method: Callable[..., Any], request: Any) -> Any:
        try:
            metadata = [("authorization", self._authorization)] if self._authorization else []
            return method(request, timeout=self._patience.timeout, metadata=metadata)
        except grpc.RpcError as error:
            code, details = error.code(), error.details()
        if code in _RETRIED_CODES:
            raise Unavailable(details)
        if code == grpc.StatusCode.DEADLINE_EXCEEDED:
            raise self._timeout()
        raise UserError(f"{self._server}: {details} ({code.name})")


def _decoded(value: Any) -> Any:
    """Returns strings for bytes within lists of lists."""
    if isinstance(value, list):
        return [_decoded(child) for child in value]
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value
