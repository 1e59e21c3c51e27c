"""Runs a server: REST, page and gRPC on one event loop."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
from collections.abc import Iterator
from typing import Any, NamedTuple

import grpc
import uvicorn
from absl import logging
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from tensorflow_serving.apis import model_service_pb2_grpc, prediction_service_pb2_grpc

from mtdnn_tf.errors import UserError
from mtdnn_tf.serving.server.api_keys import ApiKeys, GrpcGuard, HttpGuard
from mtdnn_tf.serving.server.grpc_services import Services
from mtdnn_tf.serving.server.header_timeout import HeaderTimeout
from mtdnn_tf.serving.server.models.model_store import ModelStore
from mtdnn_tf.serving.server.monitoring import Monitor, monitoring_routes
from mtdnn_tf.serving.server.page import page_routes
from mtdnn_tf.serving.server.rest import RestApi, json_response
from mtdnn_tf.serving.server.work_pool import Limits, WorkPool

_METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"]
_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class _HttpServer(uvicorn.Server):
    """A server that leaves signals to its caller."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


class Places(NamedTuple):
    """Where a server listens."""

    host: str
    port: int  # Of the page and of REST; 0 for any free port.
    grpc_port: int


async def serve(store: ModelStore, limits: Limits, places: Places, grace: int, keys: ApiKeys | None = None) -> None:
    """Answers requests until SIGINT or SIGTERM, then finishes running ones within `grace` seconds.

    With `keys`, requests need one, except for the health check.
    """
    pool, monitor = WorkPool(limits), Monitor()
    host, port, grpc_port = places
    application = _application(store, pool, monitor, keys)
    listener = _listen(host, port)
    try:
        services = Services(store, pool, monitor)
        grpc_server, grpc_port = await _start_grpc(services, limits, host, grpc_port, keys)
        http_server = _HttpServer(
            uvicorn.Config(
                application,
                http=HeaderTimeout,
                ws="none",
                log_level="error",
                access_log=False,
                server_header=False,
                lifespan="off",
                timeout_graceful_shutdown=grace,
            )
        )
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in _SIGNALS:
            loop.add_signal_handler(number, stop.set)
        answering = asyncio.create_task(http_server.serve(sockets=[listener]))
        logging.info("page and REST: http://%s:%d/", _bracketed(host), listener.getsockname()[1])
        logging.info("gRPC: %s:%d", _bracketed(host), grpc_port)
        await asyncio.wait([answering, asyncio.create_task(stop.wait())], return_when=asyncio.FIRST_COMPLETED)
        logging.info("shutting down; running requests will finish")
        store.close()
        http_server.should_exit = True
        await asyncio.gather(answering, grpc_server.stop(grace))
    finally:
        listener.close()
        pool.close()


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host  # IPv6.


def _listen(host: str, port: int) -> socket.socket:
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        listener = socket.create_server((host, port), family=family)
    except (OSError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise UserError(f"--port: cannot listen on {host}, port {port} ({reason})") from None
    # Connections inherit it. asyncio sets it only where a socket names its protocol; without it, an answer's second
    # packet waits 40 ms for the first to be acknowledged.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener


def _application(store: ModelStore, pool: WorkPool, monitor: Monitor, keys: ApiKeys | None) -> Any:
    api = Route("/v1/{path:path}", RestApi(store, pool, monitor).answer, methods=_METHODS)
    routes = [*page_routes(store), *monitoring_routes(store, monitor), api]
    application = Starlette(routes=routes, exception_handlers={HTTPException: _http_error})
    return HttpGuard(application, keys) if keys else application


async def _start_grpc(
    services: Services, limits: Limits, host: str, port: int, keys: ApiKeys | None
) -> tuple[grpc.aio.Server, int]:
    server = grpc.aio.server(
        interceptors=[GrpcGuard(keys)] if keys else [],
        options=[
            ("grpc.max_receive_message_length", limits.max_request_bytes),
            ("grpc.max_send_message_length", -1),
            ("grpc.so_reuseport", 0),  # Otherwise two servers on one port would answer in turn.
        ],
    )
    prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(services, server)
    model_service_pb2_grpc.add_ModelServiceServicer_to_server(services, server)
    try:
        port = server.add_insecure_port(f"{_bracketed(host)}:{port}")
    except RuntimeError:
        raise UserError(f"--grpc_port: cannot listen on {host}, port {port}; is the port in use?") from None
    await server.start()
    return server, port


async def _http_error(_: Request, error: Any) -> Response:
    response = json_response({"error": error.detail}, error.status_code)
    response.headers.update(error.headers or {})
    return response
