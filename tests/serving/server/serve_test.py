"""A whole server's start, limits and end."""

from __future__ import annotations

import concurrent.futures
import socket
import time

import grpc
import numpy as np
import pytest
import tensorflow as tf
from tensorflow_serving.apis import predict_pb2, prediction_service_pb2_grpc

from tests.serving.server.server_process import ServerProcess

_SLOW = "/v1/models/half_plus_two:predict"
# Some tenths of a second of matrix products.
_STEPS = 400


def _slow_body(steps=_STEPS):
    return {"signature_name": "slow", "inputs": [steps]}


def _slow_request():
    request = predict_pb2.PredictRequest()
    request.model_spec.name, request.model_spec.signature_name = "half_plus_two", "slow"
    request.inputs["steps"].CopyFrom(tf.make_tensor_proto(np.array([_STEPS], np.int32)))
    return request


def test_too_many_at_once_are_told_to_come_again_and_an_end_answers_what_has_begun(models, tmp_path):
    folders = {"half_plus_two": models["half_plus_two"]}
    server = ServerProcess(tmp_path, folders, ("--max_concurrency=3", "--num_batch_threads=1", "--grace_seconds=120"))
    try:
        with concurrent.futures.ThreadPoolExecutor(12) as threads:
            answers = list(threads.map(lambda _: server.ask(_SLOW, _slow_body()), range(12)))
            statuses = sorted(answer.status for answer in answers)
            assert set(statuses) == {200, 429} and statuses.count(200) >= 3
            refused = next(answer for answer in answers if answer.status == 429)
            assert set(refused.body) == {"error"} and refused.headers["retry-after"] == "1"

            channel = grpc.insecure_channel(f"127.0.0.1:{server.grpc_port}", options=[("grpc.enable_http_proxy", 0)])
            stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)
            calls = [stub.Predict.future(_slow_request(), 120) for _ in range(12)]
            codes = [call.code() for call in calls]
            assert set(codes) == {grpc.StatusCode.OK, grpc.StatusCode.RESOURCE_EXHAUSTED}

            # Both protocols are asked; the server is told to end while they compute.
            begun = [threads.submit(server.ask, _SLOW, _slow_body(3 * _STEPS)) for _ in range(2)]
            call = stub.Predict.future(_slow_request(), 120)
            time.sleep(0.15)
            assert server.stop() == 0
            assert [answer.result().status for answer in begun] == [200, 200]
            assert call.code() == grpc.StatusCode.OK
            channel.close()
    finally:
        server.process.kill()
    lines = server.log.splitlines()
    assert lines[-2].endswith("shutting down; running requests will finish") and lines[-1].endswith("ended")
    assert "Traceback" not in server.log


def test_only_this_machine_is_answered(server):
    for port in (server.port, server.grpc_port):
        with socket.socket() as other, pytest.raises(OSError):
            other.settimeout(2)
            other.connect(("127.0.0.2", port))  # Another address of this machine.
