from __future__ import annotations

import contextlib
import http.server
import json
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from typing import ClassVar

import pytest

from mtdnn_tf.errors import UserError
from mtdnn_tf.serving.client.connection import Patience
from mtdnn_tf.serving.client.query import Texts, ask, connect, read_texts
from tests.serving.server.server_process import ROOT
from tests.tools.binaries import Binaries, Result

_PATIENCE = Patience(timeout=30.0, retries=0)
_MOOD = {"label": "good", "probabilities": {"bad": 0.15, "good": 0.85}}
_ENTAILMENT = {
    "label": "maybe & more",
    "probabilities": {"<b>no</b>": 0.1, "maybe & more": 0.8, "a long name of a label": 0.1},
}


def _approximately(answers):
    return {
        task: {key: pytest.approx(value, abs=1e-6) if key != "label" else value for key, value in answer.items()}
        for task, answer in answers.items()
    }


@pytest.fixture(name="addresses")
def _addresses(server):
    return {"REST": server.address, "gRPC": f"grpc://127.0.0.1:{server.grpc_port}"}


@pytest.mark.parametrize("protocol", ["REST", "gRPC"])
def test_every_applicable_task_answers_a_sentence_or_a_pair(addresses, protocol):
    sentences = [Texts("söme"), Texts("")] * 4  # In requests of three.
    pairs = [Texts("söme", "b"), Texts("c", "d")]
    with connect(addresses[protocol], "together", _PATIENCE) as connection:
        found = list(ask(connection, sentences, None, 3))
        assert found == [_approximately({"mood": _MOOD})] * 8
        found = list(ask(connection, pairs, None, 3))
        scores = [{"closeness": {"score": 5.0}}, {"closeness": {"score": 1.0}}]
        assert found == [_approximately({**score, "entailment": _ENTAILMENT}) for score in scores]
        # The default signature has rows of both kinds in one request.
        mixed = list(ask(connection, [Texts("a"), Texts("a", "b")], "serving_default", 3))
        assert [sorted(answers) for answers in mixed] == [["mood"], ["closeness", "entailment"]]
    with connect(addresses[protocol], "each", _PATIENCE) as connection:
        assert list(ask(connection, [Texts("a")], None, 3)) == [_approximately({"mood": _MOOD})]
        assert list(ask(connection, [Texts("four", "b")], None, 3)) == [{"closeness": {"score": 4.0}}]
        assert list(ask(connection, [Texts("a")], "mood", 3)) == [_approximately({"mood": _MOOD})]


@pytest.mark.parametrize("protocol", ["REST", "gRPC"])
@pytest.mark.parametrize(
    ("model", "signature", "texts", "words"),
    [
        ("nope", None, Texts("a"), ["nope", "not found"]),
        ("each", "moood", Texts("a"), ["unknown signature 'moood'", "did you mean 'mood'"]),
        ("each", "mood", Texts("a", "b"), ["signature mood takes text_a; got text_a and text_b"]),
        ("each", "closeness", Texts("a"), ["signature closeness takes text_a, text_b; got text_a"]),
        ("half_plus_two", None, Texts("a"), ["no signature takes text_a", "regress_x_to_y"]),
        ("together", None, Texts("a" * 9_000_000), ["8388608"]),
    ],
)
def test_what_a_server_refuses_is_told_in_one_line(addresses, protocol, model, signature, texts, words):
    with connect(addresses[protocol], model, _PATIENCE) as connection, pytest.raises(UserError) as raised:
        list(ask(connection, [texts], signature, 32))
    assert all(word in str(raised.value) for word in words), raised.value


@pytest.mark.parametrize("protocol", ["REST", "gRPC"])
def test_a_batch_that_the_server_refuses_is_told(addresses, protocol):
    words = "must have at most 3 rows, got 4"
    with connect(addresses[protocol], "together", _PATIENCE) as connection, pytest.raises(UserError, match=words):
        list(ask(connection, [Texts("a")] * 4, None, 4))


@pytest.mark.parametrize("scheme", ["http", "grpc"])
def test_a_server_that_is_not_there_is_asked_again_and_then_told(scheme):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"{scheme}://127.0.0.1:{free.getsockname()[1]}"
    begun = time.monotonic()
    with connect(address, "m", Patience(5.0, retries=2)) as connection, pytest.raises(UserError) as raised:
        connection.signatures()
    assert f"{address}: no answer after 3 attempts (" in str(raised.value)
    assert time.monotonic() - begun > 0.2 + 0.4


@pytest.mark.parametrize("protocol", ["REST", "gRPC"])
def test_no_proxy_of_the_environment_is_used(addresses, protocol, monkeypatch):
    monkeypatch.delenv("no_proxy", raising=False)
    with socket.create_server(("127.0.0.1", 0)) as proxy:
        for name in ("http_proxy", "https_proxy", "grpc_proxy"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.getsockname()[1]}")
        with connect(addresses[protocol], "each", Patience(5.0, retries=0)) as connection:
            assert list(ask(connection, [Texts("a")], "mood", 3)) == [_approximately({"mood": _MOOD})]
        proxy.settimeout(0)
        with pytest.raises(BlockingIOError):
            proxy.accept()


class _Busy(http.server.BaseHTTPRequestHandler):
    """Is busy twice, then answers; or never answers, or something else."""

    asked: ClassVar[list[str]] = []

    def do_GET(self):
        self.asked.append(self.path)
        if "/silent/" in self.path:
            time.sleep(1.0)
        busy = "/busy/" in self.path and len(self.asked) < 3
        content = b"{}" if busy else b"<p>a page</p>"
        if "/busy/" in self.path and not busy:
            content = b'{"metadata": {"signature_def": {"signature_def": {"s": {"inputs": {"a": {}}}}}}}'
        self.send_response(503 if busy else 200)
        self.send_header("Content-Length", str(len(content)))
        with contextlib.suppress(BrokenPipeError):  # Nobody waits any more.
            self.end_headers()
            self.wfile.write(content)

    def log_message(self, *_):
        pass


@pytest.fixture(name="other")
def _other() -> Iterator[str]:
    """The address of an HTTP server that is no TF Serving."""
    _Busy.asked.clear()
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Busy)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_busy_server_is_asked_again(other):
    with connect(other, "busy", Patience(5.0, retries=2)) as connection:
        assert connection.signatures()["s"].inputs == ["a"]
    assert len(_Busy.asked) == 3


def test_a_server_of_another_kind_or_a_silent_one_is_told(other):
    with connect(other, "page", Patience(5.0)) as connection, pytest.raises(UserError, match="the answer is not JSON"):
        connection.signatures()
    with connect(other, "silent", Patience(0.2)) as connection, pytest.raises(UserError, match=r"within 0\.2 seconds"):
        connection.signatures()


@pytest.mark.parametrize(
    "server", ["127.0.0.1:8500", "ftp://a:1", "grpc://", "http://", "http://a:port", "http://[::1"]
)
def test_an_address_of_another_form_is_refused(server):
    with pytest.raises(UserError, match="--server"), connect(server, "m", Patience(1.0, 0)) as connection:
        connection.signatures()


def test_texts_are_read_from_every_kind_of_file(tmp_path):
    (tmp_path / "a.tsv").write_text("text_b\ttext_a\nb\ta\n\t\n")
    assert read_texts(tmp_path / "a.tsv", []) == [Texts("a", "b"), Texts("", "")]
    (tmp_path / "a.csv").write_text('id,sentence\n1,"a, b"\n')
    assert read_texts(tmp_path / "a.csv", ["sentence"]) == [Texts("a, b")]
    (tmp_path / "a.jsonl").write_text(
        '{"text_a": "a"}\n{"text_a": "c", "text_b": "d"}\n{"text_a": "e", "text_b": null}\n'
    )
    assert read_texts(tmp_path / "a.jsonl", []) == [Texts("a"), Texts("c", "d"), Texts("e", "")]
    for number in (2, 1):
        (tmp_path / f"part-{number}.tsv").write_text(f"text_a\n{number}\n")
    assert read_texts(tmp_path / "part-*.tsv", []) == [Texts("1"), Texts("2")]


@pytest.mark.parametrize(
    ("name", "content", "columns", "words"),
    [
        ("a.tsv", "text_a\n", [], "must have at least one row"),
        ("a.tsv", "sentence\na\n", [], "a.tsv:1: unknown column 'text_a'"),
        ("a.tsv", "sentence\na\n", ["sentense"], "did you mean 'sentence'"),
        ("a.tsv", "text_a\na\tb\n", [], "a.tsv:2: row has 2 column(s)"),
        ("a.jsonl", '{"text_a": null}\n', [], "a.jsonl:1: column 'text_a' must be a text, got null"),
        ("a.txt", "a\n", [], "unknown ending"),
    ],
)
def test_a_wrong_file_is_told_by_its_line(tmp_path, name, content, columns, words):
    (tmp_path / name).write_text(content)
    with pytest.raises(UserError) as raised:
        read_texts(tmp_path / name, columns)
    assert words in str(raised.value)


@pytest.fixture(name="query", scope="module")
def _query(server):
    binaries = Binaries()

    def run(*flags: str) -> Result:
        return binaries.run("query", f"--server={server.address}", *flags)

    yield run
    binaries.close()


def test_the_command_prints_for_people_and_for_programs(query, tmp_path):
    result = query("--model=together", "--text_a=söme text", "--text_b=b")
    assert (result.status, result.stderr) == (0, "")
    assert result.stdout.splitlines() == [
        "söme text | b",
        "  closeness   10.000",
        "  entailment  maybe & more  <b>no</b> 10.0 %  maybe & more 80.0 %  a long name of a label 10.0 %",
    ]
    (tmp_path / "texts.tsv").write_text("sentence\nthe cat\nthe dog\n")
    flags = ("--model=each", "--task=mood", f"--input={tmp_path / 'texts.tsv'}", "--columns=sentence", "--batch_size=1")
    rows = [json.loads(line) for line in query(*flags, "--json").stdout.splitlines()]
    assert [row["text_a"] for row in rows] == ["the cat", "the dog"]
    assert [row["answers"]["mood"]["label"] for row in rows] == ["good", "good"]
    assert query(*flags, f"--output={tmp_path / 'out.jsonl'}").stdout == ""
    assert [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()] == rows


def test_a_refusal_leaves_no_output(query, tmp_path):
    out = tmp_path / "out.jsonl"
    result = query("--model=nope", "--text_a=a", f"--output={out}")
    assert result.status == 1 and result.stdout == "" and not out.exists()
    (line,) = result.stderr.splitlines()
    assert line.startswith("error: http://") and "nope" in line


@pytest.mark.slow
def test_the_command_runs_as_a_process(server):
    command = [sys.executable, "-m", "tools.query", f"--server=grpc://127.0.0.1:{server.grpc_port}", "--model=each"]
    ran = subprocess.run([*command, "--text_a=a"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stderr) == (0, "")
    assert ran.stdout.splitlines() == ["a", "  mood  good  bad 15.0 %  good 85.0 %"]
