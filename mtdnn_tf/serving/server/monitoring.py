"""What watches a server asks it: its health, and counts and times of requests for Prometheus."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Histogram, generate_latest
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from mtdnn_tf.serving.server.models.model_store import ModelStore

HEALTH, METRICS = "/healthz", "/metrics"
_BUCKETS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)


class Outcome:
    """How a request ended; "OK" unless it is set."""

    code = "OK"


class Monitor:
    """Counts requests by protocol, verb and gRPC's name of their status code, and times them."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._requests = Counter(
            "mtdnn_requests", "Requests by how they ended.", ["protocol", "verb", "code"], registry=self._registry
        )
        self._seconds = Histogram(
            "mtdnn_request_seconds",
            "Seconds from a request's arrival to its answer.",
            ["protocol", "verb"],
            buckets=_BUCKETS,
            registry=self._registry,
        )

    @contextlib.contextmanager
    def watch(self, protocol: str, verb: str) -> Iterator[Outcome]:
        """Counts and times one request, whose outcome is set within."""
        outcome, begun = Outcome(), time.perf_counter()
        try:
            yield outcome
        finally:
            self._requests.labels(protocol, verb, outcome.code).inc()
            self._seconds.labels(protocol, verb).observe(time.perf_counter() - begun)

    def text(self) -> bytes:
        """Returns all counts in Prometheus' text format."""
        return bytes(generate_latest(self._registry))


def monitoring_routes(store: ModelStore, monitor: Monitor) -> list[Route]:
    """Returns the routes of health and counts."""

    async def health(_: Request) -> Response:
        missing = [name for name, model in store.models.items() if not model.is_served]
        return PlainTextResponse(
            f"no version of {', '.join(missing)}\n" if missing else "ok\n", 503 if missing else 200
        )

    async def metrics(_: Request) -> Response:
        return Response(monitor.text(), media_type=CONTENT_TYPE_LATEST)

    return [Route(HEALTH, health, methods=["GET"]), Route(METRICS, metrics, methods=["GET"])]
