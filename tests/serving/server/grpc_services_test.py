"""The gRPC services, driven by the client that tensorflow-serving-api's generator wrote."""

from __future__ import annotations

import grpc
import numpy as np
import pytest
import tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2
from tensorflow_serving.apis import (
    classification_pb2,
    get_model_metadata_pb2,
    get_model_status_pb2,
    inference_pb2,
    model_management_pb2,
    model_service_pb2_grpc,
    predict_pb2,
    prediction_service_pb2_grpc,
    regression_pb2,
)

_SECONDS = 60


@pytest.fixture(name="channel", scope="module")
def _channel(server):
    with grpc.insecure_channel(f"127.0.0.1:{server.grpc_port}", options=[("grpc.enable_http_proxy", 0)]) as channel:
        yield channel


@pytest.fixture(name="prediction", scope="module")
def _prediction(channel):
    return prediction_service_pb2_grpc.PredictionServiceStub(channel)


@pytest.fixture(name="model_service", scope="module")
def _model_service(channel):
    return model_service_pb2_grpc.ModelServiceStub(channel)


def _request(kind, model="half_plus_two", signature="", version=None):
    request = kind()
    request.model_spec.name = model
    if signature:
        request.model_spec.signature_name = signature
    if version is not None:
        request.model_spec.version.value = version
    return request


def _predict(inputs=None, **spec):
    request = _request(predict_pb2.PredictRequest, **spec)
    for name, values in (inputs or {}).items():
        request.inputs[name].CopyFrom(tf.make_tensor_proto(values))
    return request


def _example(**features):
    example = tf.train.Example()
    for name, value in features.items():
        example.features.feature[name].float_list.value.append(value)
    return example


def _with_examples(kind, *examples, context=None, **spec):
    request = _request(kind, **spec)
    if context is None:
        request.input.example_list.examples.extend(examples)
    else:
        request.input.example_list_with_context.examples.extend(examples)
        request.input.example_list_with_context.context.CopyFrom(context)
    return request


@pytest.mark.parametrize("version", [None, 123])
def test_predict(prediction, version):
    values = np.array([1.0, 2.0, 5.0], np.float32)
    response = prediction.Predict(_predict({"x": values}, version=version), _SECONDS)
    np.testing.assert_array_equal(tf.make_ndarray(response.outputs["y"]), [2.5, 3.0, 4.5])
    spec = response.model_spec
    assert (spec.name, spec.version.value, spec.signature_name) == ("half_plus_two", 123, "serving_default")


def test_predict_of_many_types_and_only_the_outputs_asked_for(prediction):
    request = _predict({"text": [b"\xff\x00", "söme".encode()], "ids": np.array([[1, 2], [3, 4]])}, signature="mixed")
    outputs = {name: tf.make_ndarray(value) for name, value in prediction.Predict(request, _SECONDS).outputs.items()}
    assert outputs["image_bytes"].tolist() == [b"\xff\x00", "söme".encode()]
    assert outputs["is_long"].tolist() == [False, True]
    assert outputs["sum"].tolist() == [3, 7] and outputs["sum"].dtype == np.int64
    assert outputs["mean"].shape == ()
    request.output_filter.extend(["sum", "mean"])
    assert set(prediction.Predict(request, _SECONDS).outputs) == {"sum", "mean"}


def test_classify_and_regress(prediction):
    examples = [_example(x=1.0), _example(x=2.0)]
    kind = classification_pb2.ClassificationRequest
    response = prediction.Classify(_with_examples(kind, *examples, signature="classify_x_to_y"), _SECONDS)
    found = [[(one.label, one.score) for one in row.classes] for row in response.result.classifications]
    assert found == [[("low", 7.5), ("high", 2.5)], [("low", 7.0), ("high", 3.0)]]
    kind = regression_pb2.RegressionRequest
    request = _with_examples(kind, *examples, signature="regress_x_to_y", context=_example(y=2.0, x=9.0))
    response = prediction.Regress(request, _SECONDS)
    assert [one.value for one in response.result.regressions] == [3.5, 4.0]
    assert response.model_spec.version.value == 123


def test_metadata_and_status(prediction, model_service, models):
    request = _request(get_model_metadata_pb2.GetModelMetadataRequest, model="tiny")
    request.metadata_field.append("signature_def")
    response = prediction.GetModelMetadata(request, _SECONDS)
    assert (response.model_spec.name, response.model_spec.version.value) == ("tiny", 1)
    signatures = get_model_metadata_pb2.SignatureDefMap()
    assert response.metadata["signature_def"].Unpack(signatures)
    exported = saved_model_pb2.SavedModel.FromString((models["tiny"] / "1" / "saved_model.pb").read_bytes())
    assert dict(signatures.signature_def) == dict(exported.meta_graphs[0].signature_def)
    status = model_service.GetModelStatus(_request(get_model_status_pb2.GetModelStatusRequest), _SECONDS)
    (version,) = status.model_version_status
    assert version.version == 123
    assert version.state == get_model_status_pb2.ModelVersionStatus.AVAILABLE
    assert version.status.error_code == 0


_X = {"x": np.array([1.0], np.float32)}
_HUGE = tf.make_tensor_proto(1.0, tf.float32, [1])
_HUGE.tensor_shape.dim[0].size = 1 << 40
_DAMAGED = tf.make_tensor_proto([1.0, 2.0], tf.float32)
_DAMAGED.tensor_content = b"abc"
_HALF = tf.make_tensor_proto([1.0], tf.float16)
_HALF.ClearField("tensor_content")
_HALF.half_val.append(70_000)
_UNKNOWN_TYPE = tf.make_tensor_proto([1.0, 2.0], tf.float32)
_UNKNOWN_TYPE.dtype = 999


def _proto(tensor):
    request = _predict()
    request.inputs["x"].CopyFrom(tensor)
    return request


def _labelled():
    request = _predict(_X)
    request.model_spec.version_label = "stable"
    return request


def _filtered(*names):
    request = _predict(_X)
    request.output_filter.extend(names)
    return request


_CLASSIFY, _REGRESS = classification_pb2.ClassificationRequest, regression_pb2.RegressionRequest
_METADATA = get_model_metadata_pb2.GetModelMetadataRequest
_WRONG = {
    "no model": ("Predict", predict_pb2.PredictRequest(), "INVALID_ARGUMENT", "ModelSpec"),
    "unknown model": ("Predict", _predict(_X, model="nope"), "NOT_FOUND", "nope"),
    "unknown version": ("Predict", _predict(_X, version=9), "NOT_FOUND", "Specific(half_plus_two, 9)"),
    "a label": ("Predict", _labelled(), "INVALID_ARGUMENT", "stable"),
    "unknown signature": ("Predict", _predict(_X, signature="nope"), "FAILED_PRECONDITION", "serving_default"),
    "missing input": ("Predict", _predict(), "INVALID_ARGUMENT", "missing: x"),
    "unknown input": ("Predict", _predict({**_X, "z": [1.0]}), "INVALID_ARGUMENT", "not taken: z"),
    "wrong type": ("Predict", _predict({"x": ["a"]}), "INVALID_ARGUMENT", "float32, got string"),
    "wrong shape": ("Predict", _predict({"x": [[1.0]]}), "INVALID_ARGUMENT", "got [1, 1]"),
    "too many rows": ("Predict", _predict({"x": [1.0] * 101}), "INVALID_ARGUMENT", "got 101"),
    "too many bytes": ("Predict", _predict({"x": [1.0] * 30_000}), "RESOURCE_EXHAUSTED", "100000"),
    "a huge tensor in a few bytes": ("Predict", _proto(_HUGE), "INVALID_ARGUMENT", "got 1099511627776"),
    "damaged content": ("Predict", _proto(_DAMAGED), "INVALID_ARGUMENT", "not a tensor"),
    "a number beyond its type": ("Predict", _proto(_HALF), "INVALID_ARGUMENT", "'x'"),
    "a name longer than an error may be": ("Predict", _predict({"z" * 20_000: [1.0]}), "INVALID_ARGUMENT", "zzz..."),
    "a name of two lines": ("Predict", _predict({"a\nb": [1.0]}), "INVALID_ARGUMENT", "a\\nb"),
    "unknown type": ("Predict", _proto(_UNKNOWN_TYPE), "INVALID_ARGUMENT", "'x'"),
    "unknown output": ("Predict", _filtered("z"), "INVALID_ARGUMENT", "output_filter"),
    "an output twice": ("Predict", _filtered("y", "y"), "INVALID_ARGUMENT", "output_filter"),
    "a failure within the model": (
        "Predict", _predict({"row": np.array([1], np.int32)}, signature="fails"), "INVALID_ARGUMENT", "BatchMatMul"),
    "classify without examples": (
        "Classify", _request(_CLASSIFY, signature="classify_x_to_y"), "INVALID_ARGUMENT", "empty"),
    "classify by what is no classification": (
        "Classify", _with_examples(_CLASSIFY, _example(x=1.0)), "INVALID_ARGUMENT", "not a classification"),
    "regress by what is no regression": (
        "Regress", _with_examples(_REGRESS, _example(x=1.0), signature="classify_x_to_y"), "INVALID_ARGUMENT",
        "not a regression"),
    "regress without the feature": (
        "Regress", _with_examples(_REGRESS, _example(), signature="regress_x_to_y"), "INVALID_ARGUMENT", "x"),
    "metadata of nothing": ("GetModelMetadata", _request(_METADATA), "INVALID_ARGUMENT", "signature_def"),
    "multi-inference": ("MultiInference", inference_pb2.MultiInferenceRequest(), "UNIMPLEMENTED", ""),
}  # fmt: skip


@pytest.mark.parametrize("name", _WRONG)
def test_a_wrong_request_gets_its_canonical_code(prediction, name):
    method, request, code, words = _WRONG[name]
    with pytest.raises(grpc.RpcError) as raised:
        getattr(prediction, method)(request, _SECONDS)
    assert raised.value.code().name == code, raised.value
    assert words in raised.value.details()
    response = prediction.Predict(_predict(_X), _SECONDS)
    assert tf.make_ndarray(response.outputs["y"]) == [2.5]


def test_status_of_what_is_not_there(model_service):
    for spec in ({"model": "nope"}, {"version": 9}):
        with pytest.raises(grpc.RpcError) as raised:
            model_service.GetModelStatus(_request(get_model_status_pb2.GetModelStatusRequest, **spec), _SECONDS)
        assert raised.value.code() == grpc.StatusCode.NOT_FOUND
    with pytest.raises(grpc.RpcError) as raised:
        model_service.HandleReloadConfigRequest(model_management_pb2.ReloadConfigRequest(), _SECONDS)
    assert raised.value.code() == grpc.StatusCode.UNIMPLEMENTED


def test_a_deadline_holds(prediction):
    request = _predict({"steps": np.array([1000], np.int32)}, signature="slow")
    with pytest.raises(grpc.RpcError) as raised:
        prediction.Predict(request, 0.05)
    assert raised.value.code() == grpc.StatusCode.DEADLINE_EXCEEDED
