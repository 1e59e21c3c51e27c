"""Clients that send little and never end, more of them than the server answers at the same time."""

from __future__ import annotations

import contextlib
import resource
import socket

import grpc
import pytest
from tensorflow_serving.apis import get_model_status_pb2, model_service_pb2_grpc

from mtdnn_tf.serving.server.work_pool import Limits

_PREDICT = "/v1/models/half_plus_two:predict"
_CLIENTS = Limits().max_concurrency + 16
_REQUEST = f"POST {_PREDICT} HTTP/1.1\r\nHost: a\r\n".encode()
# What a client sends at first, and then again and again.
_SLOW = {
    "nothing": (b"", b""),
    "a request line by letters": (b"POS", b"T"),
    "headers that do not end": (_REQUEST, b"a: b\r\n"),
    "a body by letters": (_REQUEST + b"Content-Length: 90000\r\n\r\n", b" "),
    "chunks of one letter": (_REQUEST + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\n \r\n"),
}


@contextlib.contextmanager
def _clients(port, first, count=_CLIENTS):
    with contextlib.ExitStack() as open_ones:
        connections = [
            open_ones.enter_context(socket.create_connection(("127.0.0.1", port), timeout=30)) for _ in range(count)
        ]
        for connection in connections:
            connection.sendall(first)
        yield connections


@pytest.mark.parametrize("name", _SLOW)
def test_slow_clients_of_rest_take_no_place_of_others(server, name):
    first, again = _SLOW[name]
    with _clients(server.port, first) as connections:
        for _ in range(3):
            answer = server.ask(_PREDICT, {"instances": [1.0]})
            assert (answer.status, answer.body) == (200, {"predictions": [2.5]})
            for connection in connections:
                connection.sendall(again)


def test_a_thousand_clients_that_do_not_finish_their_headers(server):
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    if most < 2500:
        pytest.skip(f"a process may open {most} files alone")
    with _clients(server.port, _SLOW["headers that do not end"][0], 1000):
        assert server.ask(_PREDICT, {"instances": [1.0]}).body == {"predictions": [2.5]}


@pytest.mark.parametrize("first", [b"", b"PRI * HTTP/2.0\r\n", b"\x00" * 5000])
def test_slow_clients_of_grpc_take_no_place_of_others(server, first):
    request = get_model_status_pb2.GetModelStatusRequest()
    request.model_spec.name = "half_plus_two"
    address, options = f"127.0.0.1:{server.grpc_port}", [("grpc.enable_http_proxy", 0)]
    with _clients(server.grpc_port, first), grpc.insecure_channel(address, options=options) as channel:
        found = model_service_pb2_grpc.ModelServiceStub(channel).GetModelStatus(request, timeout=120)
    assert [status.version for status in found.model_version_status] == [123]
