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
from mtdnn_tf.serving.server.messages import (
    SIGNATURE_DEF,
    arrays_of_request,
    examples_of_input,
    metadata_message,
    status_message,
)
from mtdnn_tf.serving.server.model_store import ModelStore
from mtdnn_tf.serving.server.servable import DEFAULT_SIGNATURE, Servable
from mtdnn_tf.serving.server.status import ServingError, invalid, serving_error
from mtdnn_tf.serving.server.work_pool import Limits, WorkPool


def _version(spec: model_pb2.ModelSpec) -> int | None:
    """Returns the requested version, or None for the served one."""
    if not spec.name:
        raise invalid("Missing ModelSpec: the request names no model")
    if spec.WhichOneof("version_choice") == "version_label":
        raise invalid(f"Unrecognized servable version label: {spec.version_label}; this server has no labels")
    return spec.version.value if spec.HasField("version") else None


async def _abort(context: grpc.aio.ServicerContext, error: Exception) -> NoReturn:
    told = serving_error(error)
    await context.abort(told.code, told.message)
    raise AssertionError("abort raises")


class _Service:
    """Runs requests in the pool and maps errors to gRPC codes.

    Args:
        store: The models.
        pool: The threads.
        limits: Limits of a request.
    """

    def __init__(self, store: ModelStore, pool: WorkPool, limits: Limits) -> None:
        self._store, self._pool, self._limits = store, pool, limits

    async def _answer(self, context: grpc.aio.ServicerContext, work: Callable[[Any], Any], request: Any) -> Any:
        try:
            return await self._pool.run(work, request)
        except Exception as error:
            await _abort(context, error)


class PredictionService(_Service, prediction_service_pb2_grpc.PredictionServiceServicer):
    """Predict, Classify, Regress and GetModelMetadata."""

    async def Predict(self, request: predict_pb2.PredictRequest, context: grpc.aio.ServicerContext) -> Any:  # noqa: D102
        return await self._answer(context, self._predict, request)

    async def Classify(self, request: Any, context: grpc.aio.ServicerContext) -> Any:  # noqa: D102
        return await self._answer(context, self._classify, request)

    async def Regress(self, request: Any, context: grpc.aio.ServicerContext) -> Any:  # noqa: D102
        return await self._answer(context, self._regress, request)

    async def GetModelMetadata(self, request: Any, context: grpc.aio.ServicerContext) -> Any:  # noqa: D102
        return await self._answer(context, self._metadata, request)

    def _predict(self, request: predict_pb2.PredictRequest) -> predict_pb2.PredictResponse:
        with self._store.lease(request.model_spec.name, _version(request.model_spec)) as servable:
            name = request.model_spec.signature_name
            servable.signature(name)
            # An element takes at least a byte, but a tensor of equal elements may be sent as one.
            inputs = arrays_of_request(request, self._limits.request_bytes)
            outputs = predict(servable, name, inputs, self._limits.batch_rows, request.output_filter)
            response = predict_pb2.PredictResponse(model_spec=_spec(servable, name))
            for output, values in outputs.items():
                response.outputs[output].CopyFrom(tf.make_tensor_proto(values))
            return response

    def _classify(self, request: classification_pb2.ClassificationRequest) -> classification_pb2.ClassificationResponse:
        with self._store.lease(request.model_spec.name, _version(request.model_spec)) as servable:
            name = request.model_spec.signature_name
            servable.signature(name)
            response = classification_pb2.ClassificationResponse(model_spec=_spec(servable, name))
            for row in classify(servable, name, examples_of_input(request.input), self._limits.batch_rows):
                classes = response.result.classifications.add().classes
                for label, score in row:
                    classes.add(label=label, score=score)
            return response

    def _regress(self, request: regression_pb2.RegressionRequest) -> regression_pb2.RegressionResponse:
        with self._store.lease(request.model_spec.name, _version(request.model_spec)) as servable:
            name = request.model_spec.signature_name
            servable.signature(name)
            response = regression_pb2.RegressionResponse(model_spec=_spec(servable, name))
            for value in regress(servable, name, examples_of_input(request.input), self._limits.batch_rows):
                response.result.regressions.add(value=value)
            return response

    def _metadata(
        self, request: get_model_metadata_pb2.GetModelMetadataRequest
    ) -> get_model_metadata_pb2.GetModelMetadataResponse:
        fields = list(request.metadata_field)
        if fields != [SIGNATURE_DEF]:
            raise invalid(f"metadata_field must be {SIGNATURE_DEF!r}, got {', '.join(fields) or 'nothing'}")
        with self._store.lease(request.model_spec.name, _version(request.model_spec)) as servable:
            return metadata_message(servable)


class ModelService(_Service, model_service_pb2_grpc.ModelServiceServicer):
    """GetModelStatus."""

    async def GetModelStatus(  # noqa: D102
        self, request: get_model_status_pb2.GetModelStatusRequest, context: grpc.aio.ServicerContext
    ) -> get_model_status_pb2.GetModelStatusResponse:
        # Costs nothing, and is asked when all threads are busy.
        try:
            version = _version(request.model_spec)
            return status_message(self._store.model(request.model_spec.name).status(version))
        except ServingError as error:
            await _abort(context, error)


def _spec(servable: Servable, signature: str) -> model_pb2.ModelSpec:
    spec = model_pb2.ModelSpec(name=servable.model, signature_name=signature or DEFAULT_SIGNATURE)
    spec.version.value = servable.version
    return spec
