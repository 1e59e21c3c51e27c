"""Requests at random for a server of the tests' models: REST and gRPC, valid ones and mutated ones."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, NamedTuple

from hypothesis import strategies as st
from tensorflow.core.example.example_pb2 import Example
from tensorflow.core.framework.tensor_pb2 import TensorProto
from tensorflow.core.framework.types_pb2 import DataType
from tensorflow_serving.apis import (
    classification_pb2,
    get_model_metadata_pb2,
    get_model_status_pb2,
    predict_pb2,
    regression_pb2,
)

from tests.hostile.strategies import JUNK, VALUES, mutated

_MODELS: tuple[str, ...] = (
    "half_plus_two",
    "half_plus_two",
    "tiny",
    "student",
    "nope",
    "half%5Fplus_two",
    "a%2Fb",
    "tiny%3Fx",
    "tiny%23",
)
_MODELS += ("%00", "%FF", "%0A", "..", "tiny;a", "x" * 3000, "")
_VERSIONS: tuple[str, ...] = (
    "",
    "",
    "",
    "/versions/123",
    "/versions/1",
    "/versions/0",
    "/versions/-1",
    "/versions/x",
    "/labels/stable",
)
_VERSIONS += (f"/versions/{'9' * 18}", f"/versions/{'9' * 30}", "/", "//")
_VERBS = (":predict", ":predict", ":predict", ":classify", ":regress", "", "/metadata", ":explain", "%3Apredict", ":")
_OTHER_PATHS: tuple[str, ...] = (
    "/",
    "/page/models",
    "/page/models/",
    "/healthz",
    "/healthz/",
    "/metrics",
    "/page.js",
    "/v1",
    "/v1/",
)
_OTHER_PATHS += (
    "/v1/models",
    "/v2/models",
    "//v1/models/tiny",
    "/%2e%2e/etc/passwd",
    "*",
    "/?x=%ff",
    "/v1/models/tiny?a=b#c",
)
_METHODS = ("POST", "GET", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "TRACE", "BREW")
_HEADERS = (
    *(("Content-Type", kind) for kind in ("text/plain", "application/xml", "multipart/form-data", "\xe9", "x" * 5000)),
    *(("Host", host) for host in ("[", "]", "a/b?c", "a#b", "", "\xe9", "a:b:c", "x" * 5000, "http://a")),
    *(("Content-Encoding", coding) for coding in ("gzip", "br", "nothing")),
    *(("Authorization", key) for key in ("Bearer \xe9", "Basic", "")),
    *(("Accept", "image/png"), ("Accept-Encoding", "*;q=0"), ("Expect", "100-continue"), ("Connection", "close")),
    *(("Cookie", "a=b; \xff"), ("Range", "bytes=5-1"), ("If-None-Match", "*"), ("X-HTTP-Method-Override", "GET")),
    *(("Origin", "null"), ("X-Forwarded-For", "1.2.3.4, x"), ("Upgrade", "websocket"), ("Upgrade", "h2c")),
)
_X = {"x": 1.0, "y": [2.0]}
_PAIR = {"text_a": "the cat", "text_b": "a dog"}
_ROW = {"tag": "foo", "signal": [1, 2, 3, 4, 5], "sensor": [[1, 2], [3, 4]]}
_AFFINE, _TINY = "/v1/models/half_plus_two", "/v1/models/tiny"
# Requests that are answered, or refused by what they ask of the model.
_RIGHT: tuple[tuple[str, Mapping[str, Any] | None], ...] = (
    (f"{_AFFINE}:predict", {"instances": [1.0, 2.0, 5.0]}),
    (f"{_AFFINE}/versions/123:predict", {"instances": [{"x": 1.0}, {"x": 2.0}]}),
    (f"{_AFFINE}:predict", {"inputs": {"x": [1.0, 2.0]}}),
    (f"{_AFFINE}:predict", {"signature_name": "documented", "instances": [_ROW, _ROW]}),
    (
        f"{_AFFINE}:predict",
        {"signature_name": "mixed", "inputs": {"text": ["a", {"b64": "/wA="}], "ids": [[1, 2], [3, 4]]}},
    ),
    (f"{_AFFINE}:predict", {"signature_name": "image", "instances": [{"b64": "AAE="}, "a"]}),
    (f"{_AFFINE}:predict", {"signature_name": "fails", "instances": [1]}),
    (f"{_AFFINE}:classify", {"signature_name": "classify_x_to_y", "examples": [_X, _X], "context": {"z": "a"}}),
    (f"{_AFFINE}:regress", {"signature_name": "regress_x_to_y", "examples": [_X, {"x": [1.5]}]}),
    (f"{_TINY}:predict", {"instances": [_PAIR, _PAIR]}),
    (f"{_TINY}:predict", {"signature_name": "mood", "inputs": {"text_a": ["the cat", ""]}}),
    (f"{_TINY}/versions/1:predict", {"signature_name": "entailment", "instances": [_PAIR]}),
    (f"{_TINY}/metadata", None),
    (_AFFINE, None),
)
_ODD = st.one_of(
    VALUES,
    st.sampled_from(
        ["\ud800", "a\ud800b", "\x00", "\n", "x" * 20_000, "e\u0301", {"b64": "*"}, {"b64": "/w=="}, {"b64": 1}]
    ),
    st.sampled_from([10**400, -(2**63) - 1, 2**64, 2**31, 1e308, 3.5e38, float("nan"), float("inf"), -0.0, True, None]),
    st.sampled_from(
        [[], [[]], [[[]], []], [[1, 2], [3]], {}, [{}], {"\ud800": 1}, {"": [""]}, {"x" * 20_000: 1}, [0] * 200]
    ),
    st.integers(1, 80).map(lambda depth: json.loads("[" * depth + "1" + "]" * depth)),
)


class RestRequest(NamedTuple):
    """A request by HTTP; `body` is None for none."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes | None


@st.composite
def _changed(draw: st.DrawFn, value: Any) -> Any:
    """Draws a JSON value with one part replaced, left out or added."""
    if isinstance(value, Mapping) and value and draw(st.integers(0, 9)) > 0:
        name = draw(st.sampled_from([*value]))
        kind = draw(st.sampled_from(("within", "within", "within", "left out", "renamed", "further")))
        if kind == "within":
            return {**value, name: draw(_changed(value[name]))}
        if kind == "further":
            return {**value, draw(st.text(max_size=8)): draw(_ODD)}
        kept = {key: item for key, item in value.items() if key != name}
        return kept if kind == "left out" else {**kept, draw(st.text(max_size=8)): value[name]}
    if isinstance(value, list) and value and draw(st.integers(0, 9)) > 0:
        place = draw(st.integers(0, len(value) - 1))
        return [*value[:place], draw(_changed(value[place])), *value[place + draw(st.integers(0, 1)) :]]
    return draw(_ODD)


@st.composite
def _bodies(draw: st.DrawFn, value: Mapping[str, Any] | None) -> bytes:
    """Draws a body that differs from a given one."""
    kind = draw(st.sampled_from(("changed", "changed", "changed", "changed twice", "bytes", "other encoding", "junk")))
    if kind == "junk":
        return draw(st.one_of(st.sampled_from(JUNK), st.binary(max_size=50)))
    if kind == "bytes":
        return draw(mutated([json.dumps(value).encode()]))
    if kind == "other encoding":
        return json.dumps(value).encode(draw(st.sampled_from(("utf-16", "utf-32-be", "utf-8-sig", "utf-7"))))
    changed = draw(_changed(value))
    return json.dumps(draw(_changed(changed)) if kind == "changed twice" else changed).encode()


@st.composite
def rest_requests(draw: st.DrawFn) -> RestRequest:
    """Draws a request by HTTP: a right one with up to two of its parts changed."""
    path, value = draw(st.sampled_from(_RIGHT))
    method, headers = "GET" if value is None else "POST", {}
    body = None if value is None else json.dumps(value).encode()
    for part in draw(st.lists(st.sampled_from(("path", "method", "headers", "body", "body")), max_size=2)):
        if part == "path":
            paths = st.tuples(*map(st.sampled_from, (_MODELS, _VERSIONS, _VERBS))).map(
                lambda parts: "/v1/models/" + "".join(parts)
            )
            path = draw(st.one_of(paths, paths, st.sampled_from(_OTHER_PATHS)))
        elif part == "method":
            method = draw(st.sampled_from(_METHODS))
        elif part == "headers":
            headers = dict(draw(st.lists(st.sampled_from(_HEADERS), min_size=1, max_size=3)))
        else:
            body = draw(_bodies(value))
    return RestRequest(method, path, headers, body)


_PREDICTION, _MODEL_SERVICE = "/tensorflow.serving.PredictionService/", "/tensorflow.serving.ModelService/"
# Of each method of gRPC: its request.
METHODS: Mapping[str, Any] = {
    f"{_PREDICTION}Predict": predict_pb2.PredictRequest,
    f"{_PREDICTION}Classify": classification_pb2.ClassificationRequest,
    f"{_PREDICTION}Regress": regression_pb2.RegressionRequest,
    f"{_PREDICTION}GetModelMetadata": get_model_metadata_pb2.GetModelMetadataRequest,
    f"{_MODEL_SERVICE}GetModelStatus": get_model_status_pb2.GetModelStatusRequest,
}
_SIGNATURES = (
    "",
    "",
    "mixed",
    "image",
    "documented",
    "classify_x_to_y",
    "regress_x_to_y",
    "fails",
    "mood",
    "nope",
    "\n",
)
_SIZES = (0, 1, 1, 2, 2, 3, 5, -1, 200, 2**31, 2**40, 2**62, 2**63 - 1)
_TEXT = st.sampled_from(
    ("x", "x", "text", "ids", "tag", "signal", "text_a", "text_b", "", "\x00", "\n", "\u00e9", "x" * 20_000)
)
_INTEGERS = (0, 1, 2, -1, 127, 300, 70_000, 2**31 - 1, -(2**31))
_NUMBERS = st.sampled_from((0.0, 1.0, -1.5, float("nan"), float("inf"), 1e38, 1e-45))
_TENSOR_FIELDS: Mapping[str, st.SearchStrategy[Any]] = {
    "float_val": _NUMBERS,
    "double_val": _NUMBERS,
    "int_val": st.sampled_from(_INTEGERS),
    "half_val": st.sampled_from(_INTEGERS),
    "int64_val": st.sampled_from((*_INTEGERS, 2**63 - 1, -(2**63))),
    "uint32_val": st.sampled_from((0, 1, 2**32 - 1)),
    "uint64_val": st.sampled_from((0, 1, 2**64 - 1)),
    "bool_val": st.booleans(),
    "string_val": st.sampled_from((b"", b"a", b"\xff\x00", b"the cat", b"x" * 3000, "\ud7ff".encode())),
    "scomplex_val": _NUMBERS,
    "dcomplex_val": _NUMBERS,
}


@st.composite
def _tensors(draw: st.DrawFn) -> TensorProto:
    """Draws a tensor whose type, shape and values may disagree."""
    numbers = sorted(DataType.values())
    tensor = TensorProto(dtype=draw(st.sampled_from((1, 1, 7, 7, 9, 3, 14, 19, 999, -1, *numbers))))
    for size in draw(st.lists(st.sampled_from(_SIZES), max_size=draw(st.sampled_from((1, 1, 2, 3, 70))))):
        tensor.tensor_shape.dim.add(size=size)
    tensor.tensor_shape.unknown_rank = draw(st.integers(0, 19)) == 0
    for name in draw(st.lists(st.sampled_from([*_TENSOR_FIELDS]), max_size=2)):
        getattr(tensor, name).extend(draw(st.lists(_TENSOR_FIELDS[name], max_size=5)))
    if draw(st.integers(0, 4)) == 0:
        tensor.tensor_content = draw(st.sampled_from((b"", b"abc", b"\x00" * 4, b"\x00" * 8, b"\xff" * 16)))
    return tensor


@st.composite
def _examples(draw: st.DrawFn) -> Example:
    example = Example()
    for name in draw(st.lists(_TEXT, max_size=3)):
        feature = example.features.feature[name]
        kind = draw(st.sampled_from(("float_list", "float_list", "int64_list", "bytes_list", "none")))
        if kind != "none":
            of = {"float_list": "float_val", "int64_list": "int64_val", "bytes_list": "string_val"}
            getattr(feature, kind).value.extend(draw(st.lists(_TENSOR_FIELDS[of[kind]], max_size=3)))
    return example


def _right_requests() -> Mapping[str, Any]:
    """Returns requests that are answered, by method."""
    prediction = predict_pb2.PredictRequest()
    prediction.inputs["x"].CopyFrom(TensorProto(dtype=DataType.DT_FLOAT, float_val=[1.0, 2.0]))
    prediction.inputs["x"].tensor_shape.dim.add(size=2)
    status = get_model_status_pb2.GetModelStatusRequest()
    metadata = get_model_metadata_pb2.GetModelMetadataRequest(metadata_field=["signature_def"])
    of_examples = []
    for kind, signature in (
        (classification_pb2.ClassificationRequest, "classify_x_to_y"),
        (regression_pb2.RegressionRequest, "regress_x_to_y"),
    ):
        request = kind()
        request.input.example_list.examples.add().features.feature["x"].float_list.value.append(1.0)
        request.model_spec.signature_name = signature
        of_examples.append(request)
    requests = (prediction, *of_examples, metadata, status)
    for request in requests:
        request.model_spec.name = "half_plus_two"
    return dict(zip(METHODS, requests))


_RIGHT_REQUESTS = _right_requests()


@st.composite
def grpc_requests(draw: st.DrawFn) -> tuple[str, bytes]:
    """Draws a method of gRPC and the bytes of a request: a right one with up to two of its parts changed."""
    method = draw(st.sampled_from([*METHODS, f"{_PREDICTION}Predict", f"{_PREDICTION}Predict"]))
    request = METHODS[method].FromString(_RIGHT_REQUESTS[method].SerializeToString())
    parts = draw(
        st.lists(st.sampled_from(("model", "version", "signature", "content", "content", "bytes")), max_size=2)
    )
    for part in parts:
        if part == "model":
            request.model_spec.name = draw(st.sampled_from(("tiny", "student", "nope", "", "\n")))
        elif part == "version" and draw(st.integers(0, 4)) == 0:
            request.model_spec.version_label = draw(_TEXT)
        elif part == "version":
            request.model_spec.version.value = draw(st.sampled_from((123, 123, 1, 0, -1, 2**63 - 1, -(2**63))))
        elif part == "signature":
            request.model_spec.signature_name = draw(st.sampled_from(_SIGNATURES))
        elif part == "content":
            _change(draw, method, request)
    content = request.SerializeToString()
    return method, draw(mutated([content])) if "bytes" in parts else content


def _change(draw: st.DrawFn, method: str, request: Any) -> None:
    """Changes what a request asks, of a method that takes tensors, examples or names of fields."""
    if method.endswith("Predict"):
        if draw(st.integers(0, 2)) == 0:
            request.output_filter.extend(draw(st.lists(st.sampled_from(("y", "sum", "\n", "x" * 20_000)), max_size=2)))
        for name in draw(st.lists(_TEXT, max_size=2)):
            request.inputs[name].CopyFrom(draw(_tensors()))
    elif method.endswith(("Classify", "Regress")):
        given = draw(st.lists(_examples(), max_size=3))
        if draw(st.booleans()):
            request.input.example_list.examples.extend(given)
        elif given:
            request.input.example_list_with_context.examples.extend(given[1:])
            request.input.example_list_with_context.context.CopyFrom(given[0])
    elif method.endswith("Metadata"):
        request.metadata_field.extend(draw(st.lists(st.sampled_from(("signature_def", "x", "\n")), max_size=2)))
