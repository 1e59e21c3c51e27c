"""TF Serving's gRPC API: PredictionService and ModelService."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NoReturn

import grpc
import tensorflow as tf
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

from mtdnn_tf.serving.server.inference import classify, predict, regress
from mtdnn_tf.serving.server.messages import SIGNATURE_DEF, arrays_of_request, examples_of_input, signatures_message
from mtdnn_tf.serving.server.model_store import ModelStore
from mtdnn_tf.serving.server.servable import DEFAULT_SIGNATURE, Servable
from mtdnn_tf.serving.server.status import ServingError, invalid, serving_error
from mtdnn_tf.serving.server.work_pool import WorkPool


def _version(spec: model_pb2.ModelSpec) -> int | None:
    """Returns the requested version, or None for the served one."""
    if not spec.name:
        raise invalid("Missing ModelSpec: the request names no model")
    if spec.WhichOneof("version_choice") == "version_label":
        raise invalid(f"Unrecognized servable version label: {spec.version_label}; this server has no labels")
    return spec.version.value if spec.HasField("version") else None


def _signature(servable: Servable, request: Any, response: Any) -> str:
    """Returns the name of the requested signature, which it checks and writes into the response."""
    name = request.model_spec.signature_name or DEFAULT_SIGNATURE
    servable.signature(name)
    response.model_spec.signature_name = name
    return name


async def _abort(context: grpc.aio.ServicerContext, error: Exception) -> NoReturn:
    refusal = serving_error(error)
    await context.abort(refusal.code, refusal.message)
    raise AssertionError("abort raises")


class PredictionService(prediction_service_pb2_grpc.PredictionServiceServicer):
    """Predict, Classify, Regress and GetModelMetadata, run in the pool."""

    def __init__(self, store: ModelStore, pool: WorkPool) -> None:
        self._store, self._pool, self._limits = store, pool, pool.limits
        self.Predict = self._method(self._predict, predict_pb2.PredictResponse)
        self.Classify = self._method(self._classify, classification_pb2.ClassificationResponse)
        self.Regress = self._method(self._regress, regression_pb2.RegressionResponse)
        self.GetModelMetadata = self._method(self._metadata, get_model_metadata_pb2.GetModelMetadataResponse)

    def _method(self, fill: Callable[[Servable, Any, Any], None], response_type: Any) -> Callable[..., Any]:
        """Returns a method of the service, given what fills its response from a request."""

        def work(request: Any) -> Any:
            response, spec = response_type(), request.model_spec
            version = _version(spec)
            with self._store.model(spec.name).lease(version) as servable:
                response.model_spec.name = servable.model
                response.model_spec.version.value = servable.version
                fill(servable, request, response)
            return response

        async def answer(request: Any, context: grpc.aio.ServicerContext) -> Any:
            try:
                return await self._pool.run(work, request)
            except Exception as error:
                await _abort(context, error)

        return answer

    def _predict(self, servable: Servable, request: Any, response: Any) -> None:
        name = _signature(servable, request, response)
        # An element takes at least a byte, but a tensor of equal elements may be sent as one.
        inputs = arrays_of_request(request, self._limits.max_request_bytes)
        outputs = predict(servable, name, inputs, self._limits.max_batch_rows, request.output_filter)
        for output, values in outputs.items():
            response.outputs[output].CopyFrom(tf.make_tensor_proto(values))

    def _classify(self, servable: Servable, request: Any, response: Any) -> None:
        name = _signature(servable, request, response)
        for row in classify(servable, name, examples_of_input(request.input), self._limits.max_batch_rows):
            classes = response.result.classifications.add().classes
            for label, score in row:
                classes.add(label=label, score=score)

    def _regress(self, servable: Servable, request: Any, response: Any) -> None:
        name = _signature(servable, request, response)
        for value in regress(servable, name, examples_of_input(request.input), self._limits.max_batch_rows):
            response.result.regressions.add(value=value)

    def _metadata(self, servable: Servable, request: Any, response: Any) -> None:
        fields = list(request.metadata_field)
        if fields != [SIGNATURE_DEF]:
            raise invalid(f"metadata_field must be {SIGNATURE_DEF!r}, got {', '.join(fields) or 'nothing'}")
        response.metadata[SIGNATURE_DEF].Pack(signatures_message(servable))


class ModelService(model_service_pb2_grpc.ModelServiceServicer):
    """GetModelStatus; it costs nothing, and may be asked when all threads are busy."""

    def __init__(self, store: ModelStore) -> None:
        self._store = store

    async def GetModelStatus(  # noqa: D102
        self, request: get_model_status_pb2.GetModelStatusRequest, context: grpc.aio.ServicerContext
    ) -> get_model_status_pb2.GetModelStatusResponse:
        try:
            version = _version(request.model_spec)
            versions = self._store.model(request.model_spec.name).status(version)
        except ServingError as error:
            await _abort(context, error)
        return get_model_status_pb2.GetModelStatusResponse(model_version_status=versions)
