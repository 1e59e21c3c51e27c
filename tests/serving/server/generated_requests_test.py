"""Whatever is asked, the server answers in TF Serving's form, never with an error of its own, and goes on answering."""

from __future__ import annotations

import collections
from collections.abc import Callable, Iterator
from typing import Any

import grpc
import numpy as np
import pytest
import tensorflow as tf
from google.protobuf.message import DecodeError
from hypothesis import given, settings
from tensorflow_serving.apis import predict_pb2

from tests.hostile.strategies import SEEDED
from tests.serving.server.generated_requests import METHODS, RestRequest, grpc_requests, rest_requests
from tests.serving.server.server_process import ServerProcess

_SECONDS = 60
_MOST_BYTES = 100_000  # Of a request; see the fixture `server`.
_PREDICT = "/tensorflow.serving.PredictionService/Predict"
# Keys of what REST answers, apart from errors.
_ANSWERS = ({"predictions"}, {"outputs"}, {"results"}, {"model_version_status"}, {"model_spec", "metadata"})
_CODES = {"OK", "INVALID_ARGUMENT", "NOT_FOUND", "FAILED_PRECONDITION"}
# pytest's; tests.promises adds up the trials that tests record.
Record = Callable[[str, object], None]


@pytest.fixture(autouse=True, scope="module")
def _nothing_fails(server: ServerProcess) -> Iterator[None]:
    before = len(server.log)
    yield
    assert "request failed" not in server.log[before:], server.log[before:][:5000]


def _check_error(body: Any) -> None:
    assert set(body) == {"error"}
    message = body["error"]
    assert message and "\n" not in message and "Traceback" not in message and len(message) < 5000


def _check_rest(server: ServerProcess, request: RestRequest) -> int:
    answer = server.ask(request.path, request.body, request.method, request.headers)
    assert answer.status < 500 and answer.status != 499, answer
    is_api = request.path.startswith("/v1/")
    if request.method == "HEAD":
        assert not answer.body
    elif answer.status >= 400:
        assert answer.headers["content-type"] == "application/json", answer
        _check_error(answer.body)
    elif is_api:
        assert answer.status == 200 and set(answer.body) in _ANSWERS, answer
    if is_api:
        assert answer.status in (200, 400, 404, 405, 413), answer
        assert answer.status != 405 or request.method == "BREW"
        assert answer.status != 413 or len(request.body or b"") > _MOST_BYTES
    assert server.ask("/v1/models/half_plus_two:predict", {"instances": [1.0]}).body == {"predictions": [2.5]}
    return answer.status


def _try_rest(server: ServerProcess, number: int, record_property: Record) -> None:
    found: collections.Counter[int] = collections.Counter()

    @settings(SEEDED, max_examples=number)
    @given(rest_requests())
    def check(request: RestRequest) -> None:
        record_property("trials", 1)
        found[_check_rest(server, request)] += 1

    check()
    assert min(found[200], found[400], found[404]) >= number // 100, found


def test_rest_answers_any_request(server: ServerProcess, record_property: Record) -> None:
    _try_rest(server, 200, record_property)


@pytest.mark.slow
def test_rest_answers_more_requests(server: ServerProcess, record_property: Record) -> None:
    _try_rest(server, 1000, record_property)


@pytest.fixture(name="channel", scope="module")
def _channel(server: ServerProcess) -> Iterator[grpc.Channel]:
    with grpc.insecure_channel(f"127.0.0.1:{server.grpc_port}", options=[("grpc.enable_http_proxy", 0)]) as channel:
        yield channel


def _good_request() -> bytes:
    request = predict_pb2.PredictRequest()
    request.model_spec.name = "half_plus_two"
    request.inputs["x"].CopyFrom(tf.make_tensor_proto(np.array([1.0], np.float32)))
    return bytes(request.SerializeToString())


def _is_message(kind: Any, content: bytes) -> bool:
    try:
        kind.FromString(content)
    except DecodeError:
        return False
    return True


def _check_grpc(channel: grpc.Channel, method: str, content: bytes) -> str:
    """Sends the bytes of a request, then a good one; returns the code of the answer to the first."""
    code = "OK"
    try:
        channel.unary_unary(method)(content, timeout=_SECONDS)
    except grpc.RpcError as error:
        code = error.code().name
        shown = f"{method} {content!r}: {error}"
        if len(content) > _MOST_BYTES:
            assert code == "RESOURCE_EXHAUSTED", shown
        elif _is_message(METHODS[method], content):
            assert code in _CODES, shown
            assert 0 < len(error.details()) < 5000 and "\n" not in error.details(), shown
        else:
            assert code in ("UNKNOWN", "INTERNAL"), shown  # The grpc package answers bytes that are no message itself.
    answer = predict_pb2.PredictResponse.FromString(channel.unary_unary(_PREDICT)(_good_request(), timeout=_SECONDS))
    assert tf.make_ndarray(answer.outputs["y"]) == [2.5]
    return code


def _try_grpc(channel: grpc.Channel, number: int, record_property: Record) -> None:
    found: collections.Counter[str] = collections.Counter()

    @settings(SEEDED, max_examples=number)
    @given(grpc_requests())
    def check(request: tuple[str, bytes]) -> None:
        record_property("trials", 1)
        found[_check_grpc(channel, *request)] += 1

    check()
    assert min(found[code] for code in _CODES) >= number // 100, found


def test_grpc_answers_any_request(channel: grpc.Channel, record_property: Record) -> None:
    _try_grpc(channel, 200, record_property)


@pytest.mark.slow
def test_grpc_answers_more_requests(channel: grpc.Channel, record_property: Record) -> None:
    _try_grpc(channel, 1000, record_property)
