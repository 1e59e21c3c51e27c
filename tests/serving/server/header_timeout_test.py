"""Clients that never finish their headers are let go; those whose answer takes long are not."""

from __future__ import annotations

import asyncio
import socket
import threading
import time

import pytest
import uvicorn

from mtdnn_tf.serving.server import header_timeout
from mtdnn_tf.serving.server.header_timeout import HeaderTimeout

_SECONDS = 0.5
_PATIENCE = 60.0
_GET = b"GET / HTTP/1.1\r\nHost: a\r\n"


async def _slow_answer(scope, receive, send):
    await receive()
    await asyncio.sleep(3 * _SECONDS)
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
    await send({"type": "http.response.body", "body": b"ok"})


@pytest.fixture(name="address")
def _address(monkeypatch):
    monkeypatch.setattr(header_timeout, "HEADER_SECONDS", _SECONDS)
    config = uvicorn.Config(_slow_answer, http=HeaderTimeout, log_level="error", lifespan="off", timeout_keep_alive=60)
    server = uvicorn.Server(config)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        while not server.started:
            time.sleep(0.01)
        yield listener.getsockname()
        server.should_exit = True
        thread.join()


@pytest.mark.parametrize("begun", [b"", b"GE", _GET, _GET + b"a: b\r\n"])
def test_headers_that_do_not_end_end_the_connection(address, begun):
    with socket.create_connection(address, timeout=_PATIENCE) as connection:
        connection.sendall(begun)
        assert connection.recv(100) == b""


def test_an_answer_may_take_longer_and_the_next_request_is_waited_for_anew(address):
    with socket.create_connection(address, timeout=_PATIENCE) as connection:
        for _ in range(2):
            connection.sendall(_GET + b"\r\n")
            answer = b""
            while not answer.endswith(b"\r\n\r\nok"):
                answer += (part := connection.recv(100))
                assert part, answer
        connection.sendall(_GET)
        assert connection.recv(100) == b""
