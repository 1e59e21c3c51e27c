"""TF Serving's gRPC API: PredictionService and ModelService."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
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
from mtdnn_tf.serving.server.work_pool import Limits, WorkPool


def _version(spec: model_pb2.ModelSpec) -> int | None:
    """Returns the requested version, or None for the served one."""
    if not spec.name:
        raise invalid("Missing ModelSpec: the request names no model")
    if spec.WhichOneof("version_choice") == "version_label":
        raise invalid(f"Unrecognized servable version label: {spec.version_label}; this server has no labels")
    return spec.version.value if spec.HasField("version") else None


async def _abort(context: grpc.aio.ServicerContext, error: Exception) -> NoReturn:
    refusal = serving_error(error)
    await context.abort(refusal.code, refusal.message)
    raise AssertionError("abort raises")


class PredictionService(prediction_service_pb2_grpc.PredictionServiceServicer):
    """Predict, Classify, Regress and GetModelMetadata, run in the pool."""

    def __init__(self, store: ModelStore, pool: WorkPool, limits: Limits) -> None:
        self._store, self._pool, self._limits = store, pool, limits

    async def Predict(self, request: predict_pb2.PredictRequest, context: grpc.aio.ServicerContext) -> Any:  # noqa: D102
        return await self._answer(context, self._predict, request)

    async def Classify(self, request: Any, context: grpc.aio.ServicerContext) -> Any:  # noqa: D102
        return await self._answer(context, self._classify, request)

    async def Regress(self, request: Any, context: grpc.aio.ServicerContext) -> Any:  # noqa: D102
        return await self._answer(context, self._regress, request)

    async def GetModelMetadata(self, request: Any, context: grpc.aio.ServicerContext) -> Any:  # noqa: D102
        return await self._answer(context, self._metadata, request)

    async def _answer(self, context: grpc.aio.ServicerContext, work: Callable[[Any], Any], request: Any) -> Any:
        try:
            return await self._pool.run(work, request)
        except Exception as error:
            await _abort(context, error)

    @contextlib.contextmanager
    def _lease(self, request: Any, response: Any) -> Iterator[Servable]:
        """Yields the requested version, and writes its name and the signature's into the response."""
        spec = request.model_spec
        version = _version(spec)
        with self._store.model(spec.name).lease(version) as servable:
            servable.signature(spec.signature_name)
            name = spec.signature_name or DEFAULT_SIGNATURE
            response.model_spec.CopyFrom(model_pb2.ModelSpec(name=servable.model, signature_name=name))
            response.model_spec.version.value = servable.version
            yield servable

    def _predict(self, request: predict_pb2.PredictRequest) -> predict_pb2.PredictResponse:
        response = predict_pb2.PredictResponse()
        with self._lease(request, response) as servable:
            # An element takes at least a byte, but a tensor of equal elements may be sent as one.
            inputs = arrays_of_request(request, self._limits.max_request_bytes)
            name, rows = response.model_spec.signature_name, self._limits.max_batch_rows
            for output, values in predict(servable, name, inputs, rows, request.output_filter).items():
                response.outputs[output].CopyFrom(tf.make_tensor_proto(values))
        return response

    def _classify(self, request: classification_pb2.ClassificationRequest) -> classification_pb2.ClassificationResponse:
        response = classification_pb2.ClassificationResponse()
        with self._lease(request, response) as servable:
            examples = examples_of_input(request.input)
            for row in classify(servable, response.model_spec.signature_name, examples, self._limits.max_batch_rows):
                classes = response.result.classifications.add().classes
                for label, score in row:
                    classes.add(label=label, score=score)
        return response

    def _regress(self, request: regression_pb2.RegressionRequest) -> regression_pb2.RegressionResponse:
        response = regression_pb2.RegressionResponse()
        with self._lease(request, response) as servable:
            examples = examples_of_input(request.input)
            for value in regress(servable, response.model_spec.signature_name, examples, self._limits.max_batch_rows):
                response.result.regressions.add(value=value)
        return response

    def _metadata(
        self, request: get_model_metadata_pb2.GetModelMetadataRequest
    ) -> get_model_metadata_pb2.GetModelMetadataResponse:
        fields = list(request.metadata_field)
        if fields != [SIGNATURE_DEF]:
            raise invalid(f"metadata_field must be {SIGNATURE_DEF!r}, got {', '.join(fields) or 'nothing'}")
        version = _version(request.model_spec)
        response = get_model_metadata_pb2.GetModelMetadataResponse()
        with self._store.model(request.model_spec.name).lease(version) as servable:
            response.model_spec.name = servable.model
            response.model_spec.version.value = servable.version
            response.metadata[SIGNATURE_DEF].Pack(signatures_message(servable))
        return response


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
