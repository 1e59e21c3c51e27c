"""A server with keys answers those who have one, and tells others nothing."""

from __future__ import annotations

import hashlib

import grpc
import pytest
from tensorflow_serving.apis import get_model_status_pb2, model_service_pb2_grpc

from mtdnn_tf.errors import UserError
from mtdnn_tf.serving.client.connection import Patience
from mtdnn_tf.serving.client.query import Texts, ask, connect
from mtdnn_tf.serving.server.api_keys import ApiKeys
from tests.serving.server.server_process import ServerProcess

KEY = "uT5-random-k3y"
LINE = f"laptop:{hashlib.sha256(KEY.encode()).hexdigest()}\n"


def test_known_keys_alone_are_accepted(tmp_path):
    path = tmp_path / "keys"
    path.write_text(f"# of the team\n\n{LINE}other:{'0' * 64}\n")
    keys = ApiKeys.read(path)
    assert keys.accept(f"Bearer {KEY}") and keys.accept(f"bearer {KEY}")
    digest = LINE.strip().partition(":")[2]
    refused = ["", KEY, "Bearer", "Bearer ", f"Basic {KEY}", f"Bearer {KEY} ", f"Bearer {KEY}x", f"Bearer {digest}"]
    assert [given for given in (*refused, "Bearer \xff\udcff") if keys.accept(given)] == []


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "keys: must have a line NAME:SHA256, has none"),
        ("# nothing\n", "has none"),
        (f"{KEY}\n", r"keys:1: must be NAME:SHA256, 64 hexadecimal digits"),
        (f"{LINE}laptop:{'0' * 64}\n", "keys:2: must be .* each name once"),
        (LINE.upper(), "keys:1: must be"),
    ],
)
def test_files_that_are_none_are_refused_without_showing_keys(content, message, tmp_path):
    path = tmp_path / "keys"
    path.write_text(content)
    with pytest.raises(UserError, match=message) as refused:
        ApiKeys.read(path)
    assert KEY not in str(refused.value)


def test_a_server_asks_for_a_key_by_both_protocols(models, tmp_path):
    (tmp_path / "keys").write_text(LINE)
    server = ServerProcess(tmp_path, {"tiny": models["tiny"]}, (f"--api_keys_file={tmp_path / 'keys'}",))
    try:
        for path in ("/v1/models/tiny", "/", "/metrics", "/page/models", "/v1/models/nobody"):
            answer = server.ask(path)
            assert (answer.status, answer.body) == (401, {"error": "unauthorized"})
        assert server.ask("/v1/models/tiny:predict", {"inputs": ["a"]}).status == 401
        channel = grpc.insecure_channel(f"127.0.0.1:{server.grpc_port}", options=[("grpc.enable_http_proxy", 0)])
        with channel, pytest.raises(grpc.RpcError) as refused:
            model_service_pb2_grpc.ModelServiceStub(channel).GetModelStatus(
                get_model_status_pb2.GetModelStatusRequest(), timeout=60
            )
        assert (refused.value.code(), refused.value.details()) == (grpc.StatusCode.UNAUTHENTICATED, "unauthorized")

        for address in (f"http://127.0.0.1:{server.port}", f"grpc://127.0.0.1:{server.grpc_port}"):
            with connect(address, "tiny", Patience(60), KEY) as connection:
                assert [set(answers) for answers in ask(connection, [Texts("the cat")], "mood", 1)] == [{"mood"}]
            without = connect(address, "tiny", Patience(60, 0))
            with without, pytest.raises(UserError, match="unauthorized"):
                without.signatures()
    finally:
        assert server.stop() == 0
    assert KEY not in server.log
