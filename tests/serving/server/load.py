"""Asks a server from several threads, by REST and gRPC, and prints counts, errors and latencies."""

from __future__ import annotations

import http.client
import itertools
import json
import random
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Callable

import grpc
import numpy as np
from tensorflow import make_tensor_proto
from tensorflow_serving.apis import (
    classification_pb2,
    get_model_status_pb2,
    model_service_pb2_grpc,
    predict_pb2,
    prediction_service_pb2_grpc,
)

_PATIENCE = 180.0  # Seconds.
# Rows that a request asks for; others ask for none.
ROWS = {
    "REST predict of a sentence": 1,
    "REST predict of 8 pairs": 8,
    "gRPC predict of 8 pairs": 8,
    "gRPC classify": 1,
}
_WORDS = ["the", "cat", "dog", "sees", "likes", "a", "bird", "unknown", "."]


def _texts(count: int) -> list[str]:
    return [" ".join(random.choices(_WORDS, k=random.randint(1, 40))) for _ in range(count)]


class Asker:
    """Requests of one thread, with connections of its own."""

    def __init__(self, port: int, grpc_port: int) -> None:
        self._http = http.client.HTTPConnection("127.0.0.1", port, timeout=_PATIENCE)
        channel = grpc.insecure_channel(f"127.0.0.1:{grpc_port}", options=[("grpc.enable_http_proxy", 0)])
        self._prediction = prediction_service_pb2_grpc.PredictionServiceStub(channel)
        self._models = model_service_pb2_grpc.ModelServiceStub(channel)

    def kinds(self) -> dict[str, Callable[[], None]]:
        """Returns every kind of request; each raises if its answer is wrong."""
        return {
            "REST predict of a sentence": lambda: self._rest_predict(1),
            "REST predict of 8 pairs": lambda: self._rest_predict(8),
            "REST status": self._rest_status,
            "REST wrong request": self._rest_wrong,
            "gRPC predict of 8 pairs": self._grpc_predict,
            "gRPC classify": self._grpc_classify,
            "gRPC status": self._grpc_status,
        }

    def _rest(self, method: str, path: str, body: object = None) -> tuple[int, dict]:
        self._http.request(method, path, None if body is None else json.dumps(body))
        response = self._http.getresponse()
        return response.status, json.loads(response.read())

    def _rest_predict(self, rows: int) -> None:
        inputs = {"text_a": _texts(rows)} if rows == 1 else {"text_a": _texts(rows), "text_b": _texts(rows)}
        name = "mood" if rows == 1 else "entailment"
        status, answer = self._rest("POST", "/v1/models/tiny:predict", {"signature_name": name, "inputs": inputs})
        assert status == 200, answer
        np.testing.assert_allclose(np.sum(answer["outputs"]["probabilities"], axis=1), np.ones(rows), atol=1e-5)

    def _rest_status(self) -> None:
        status, answer = self._rest("GET", "/v1/models/tiny")
        assert status == 200 and answer["model_version_status"][0]["state"] == "AVAILABLE", answer

    def _rest_wrong(self) -> None:
        status, answer = self._rest("POST", "/v1/models/tiny:predict", {"instances": [[1], [1, 2]]})
        assert status == 400 and set(answer) == {"error"}, answer

    def _grpc_predict(self) -> None:
        request = predict_pb2.PredictRequest()
        request.model_spec.name, request.model_spec.signature_name = "tiny", "similarity"
        for name in ("text_a", "text_b"):
            request.inputs[name].CopyFrom(make_tensor_proto(_texts(8)))
        assert len(self._prediction.Predict(request, _PATIENCE).outputs["score"].tensor_content) == 32

    def _grpc_classify(self) -> None:
        request = classification_pb2.ClassificationRequest()
        request.model_spec.name, request.model_spec.signature_name = "half_plus_two", "classify_x_to_y"
        example = request.input.example_list.examples.add()
        example.features.feature["x"].float_list.value.append(4.0)
        (found,) = self._prediction.Classify(request, _PATIENCE).result.classifications
        assert [one.score for one in found.classes] == [6.0, 4.0]

    def _grpc_status(self) -> None:
        request = get_model_status_pb2.GetModelStatusRequest()
        request.model_spec.name = "tiny"
        assert self._models.GetModelStatus(request, _PATIENCE).model_version_status[0].version == 1


def main() -> None:
    """Prints a line of JSON: for each kind of request count, rows/s, errors, p50 and p99 in milliseconds."""
    port, grpc_port, seconds, threads = map(int, sys.argv[1:])
    times: dict[str, list[float]] = defaultdict(list)
    errors: dict[str, list[str]] = defaultdict(list)
    # TensorFlow prepares a graph when it first runs.
    for one in Asker(port, grpc_port).kinds().values():
        one()
    end = time.monotonic() + seconds

    def ask() -> None:
        asker = Asker(port, grpc_port)
        for kind, one in itertools.cycle(asker.kinds().items()):
            begun = time.perf_counter()
            if time.monotonic() > end:
                return
            try:
                one()
            except Exception as error:
                errors[kind].append(repr(error)[:300])
            times[kind].append(1000 * (time.perf_counter() - begun))

    running = [threading.Thread(target=ask) for _ in range(threads)]
    for thread in running:
        thread.start()
    for thread in running:
        thread.join()
    shown = {
        kind: {
            "count": len(of),
            "rows_per_second": ROWS.get(kind, 0) * len(of) / seconds,
            "errors": errors[kind],
            "p50": np.quantile(of, 0.5),
            "p99": np.quantile(of, 0.99),
        }
        for kind, of in times.items()
    }
    print(json.dumps(shown))


if __name__ == "__main__":
    main()
