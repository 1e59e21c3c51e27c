"""TF Serving's gRPC API: PredictionService and ModelService."""

from __future__ import annotations

import functools
from collections.abc import Awaitable, Callable
from typing import Any

import grpc
from tensorflow_serving.apis import (
    classification_pb2,
    get_model_metadata_pb2,
    get_model_status_pb2,
    model_pb2,
    model_service_pb2_grpc,
    predict_pb2,
    prediction_service_pb2_grpc,
    regression_pb2,
)

from mtdnn_tf.serving.server.inference import answer_message
from mtdnn_tf.serving.server.messages import SIGNATURE_DEF
from mtdnn_tf.serving.server.models.model_store import ModelStore
from mtdnn_tf.serving.server.models.servable import Servable
from mtdnn_tf.serving.server.monitoring import Monitor
from mtdnn_tf.serving.server.status import invalid, serving_error
from mtdnn_tf.serving.server.work_pool import WorkPool


def _version(spec: model_pb2.ModelSpec) -> int | None:
    """Returns the requested version, or None for the served one."""
    if not spec.name:
        raise invalid("Missing ModelSpec: the request names no model")
    if spec.WhichOneof("version_choice") == "version_label":
        raise invalid(f"Unrecognized servable version label: {spec.version_label}; this server has no labels")
    return spec.version.value if spec.HasField("version") else None


def _method(ask: Callable[[Any], Awaitable[Any]], verb: str, monitor: Monitor) -> Callable[..., Any]:
    """Returns a method of a service, which ends the call with an error's code and message."""

    async def answer(request: Any, context: grpc.aio.ServicerContext) -> Any:
        with monitor.watch("grpc", verb) as outcome:
            try:
                return await ask(request)
            except Exception as error:
                refusal = serving_error(error)
                outcome.code = refusal.code.name
        # After the count, as the caller may read the counts once it has its answer.
        await context.abort(refusal.code, refusal.message)

    return answer


class Services(prediction_service_pb2_grpc.PredictionServiceServicer, model_service_pb2_grpc.ModelServiceServicer):
    """Predict, Classify, Regress and GetModelMetadata, run in the pool, and GetModelStatus."""

    def __init__(self, store: ModelStore, pool: WorkPool, monitor: Monitor) -> None:
        self._store, self._pool, limits = store, pool, pool.limits
        self._monitor = monitor
        # An element takes at least a byte, but a tensor of equal elements may be sent as one.
        answer = functools.partial(
            answer_message, batch_rows=limits.max_batch_rows, most_elements=limits.max_request_bytes
        )
        self.Predict = self._pooled("predict", answer, predict_pb2.PredictResponse)
        self.Classify = self._pooled("classify", answer, classification_pb2.ClassificationResponse)
        self.Regress = self._pooled("regress", answer, regression_pb2.RegressionResponse)
        self.GetModelMetadata = self._pooled(
            "metadata", self._metadata, get_model_metadata_pb2.GetModelMetadataResponse
        )
        self.GetModelStatus = _method(self._status, "status", monitor)

    def _pooled(self, verb: str, fill: Callable[[Servable, Any, Any], None], response_type: Any) -> Callable[..., Any]:
        """Returns a method of the service, given what fills its response from a request."""

        def work(request: Any) -> Any:
            response, spec = response_type(), request.model_spec
            version = _version(spec)
            with self._store.model(spec.name).lease(version) as servable:
                response.model_spec.name = servable.model
                response.model_spec.version.value = servable.version
                fill(servable, request, response)
            return response

        return _method(functools.partial(self._pool.run, work), verb, self._monitor)

    def _metadata(self, servable: Servable, request: Any, response: Any) -> None:
        fields = list(request.metadata_field)
        if fields != [SIGNATURE_DEF]:
            raise invalid(f"metadata_field must be {SIGNATURE_DEF!r}, got {', '.join(fields) or 'nothing'}")
        response.metadata[SIGNATURE_DEF].Pack(servable.definitions)

    async def _status(self, request: Any) -> get_model_status_pb2.GetModelStatusResponse:
        # It costs nothing, and may be asked when all threads are busy.
        version = _version(request.model_spec)
        return self._store.model(request.model_spec.name).status(version)
