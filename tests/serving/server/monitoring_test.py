"""Health and counts of a server, as a probe and Prometheus' own parser read them."""

from __future__ import annotations

import urllib.request

import grpc
import pytest
from prometheus_client.parser import text_string_to_metric_families
from tensorflow_serving.apis import predict_pb2, prediction_service_pb2_grpc

from mtdnn_tf.serving.server.monitoring import Monitor

LABELS = ("protocol", "verb", "code")


def _get(server, path: str) -> tuple[str, str]:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(f"http://127.0.0.1:{server.port}{path}", timeout=60) as response:
        return response.read().decode(), response.headers["content-type"]


def _samples(text: str) -> dict[tuple[str, ...], float]:
    return {
        (sample.name, *(sample.labels[name] for name in LABELS if name in sample.labels)): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_requests_are_counted_and_timed_by_how_they_end(server):
    before = _samples(_get(server, "/metrics")[0])
    assert server.ask("/v1/models/tiny").status == 200
    assert server.ask("/v1/models/nobody").status == 404
    assert server.ask("/v1/models/tiny:predict", {"instances": [[1], [1, 2]]}).status == 400
    assert server.ask("/v1/nothing").status == 400
    channel = grpc.insecure_channel(f"127.0.0.1:{server.grpc_port}", options=[("grpc.enable_http_proxy", 0)])
    with channel, pytest.raises(grpc.RpcError, match="Missing ModelSpec"):
        prediction_service_pb2_grpc.PredictionServiceStub(channel).Predict(predict_pb2.PredictRequest(), timeout=60)
    text, content_type = _get(server, "/metrics")
    assert content_type.startswith("text/plain; version=")
    after = _samples(text)
    counted = {key: after[key] - before.get(key, 0) for key in after if key[0] == "mtdnn_requests_total"}
    assert {key[1:]: value for key, value in counted.items() if value} == {
        ("rest", "status", "OK"): 1,
        ("rest", "status", "NOT_FOUND"): 1,
        ("rest", "predict", "INVALID_ARGUMENT"): 1,
        ("rest", "unknown", "INVALID_ARGUMENT"): 1,
        ("grpc", "predict", "INVALID_ARGUMENT"): 1,
    }
    timed = ("mtdnn_request_seconds_count", "rest", "status")
    assert after[timed] - before.get(timed, 0) == 2


def test_a_server_of_loaded_models_is_healthy(server):
    assert _get(server, "/healthz")[0] == "ok\n"


def test_a_request_that_raises_is_counted():
    monitor = Monitor()
    with pytest.raises(KeyError), monitor.watch("rest", "predict") as outcome:
        outcome.code = "INTERNAL"
        raise KeyError
    assert _samples(monitor.text().decode())["mtdnn_requests_total", "rest", "predict", "INTERNAL"] == 1
