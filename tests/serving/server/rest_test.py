"""Plain HTTP requests of the forms in TF Serving's documentation."""

from __future__ import annotations

import base64
import math
import socket

import numpy as np
import pytest
import tensorflow as tf

_MODEL = "/v1/models/half_plus_two"
_PREDICT = f"{_MODEL}:predict"


@pytest.fixture(scope="module", autouse=True)
def log_before(server):
    """Length of the log before this module's requests; gRPC logs what other modules' do wrong."""
    return len(server.log)


@pytest.mark.parametrize("path", [_PREDICT, f"{_MODEL}/versions/123:predict"])
@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"instances": [1.0, 2.0, 5.0]}, {"predictions": [2.5, 3.0, 4.5]}),
        ({"instances": [1, 2, 5]}, {"predictions": [2.5, 3.0, 4.5]}),
        ({"instances": [{"x": 1.0}, {"x": 2.0}]}, {"predictions": [2.5, 3.0]}),
        ({"inputs": [1.0, 2.0, 5.0]}, {"outputs": [2.5, 3.0, 4.5]}),
        ({"inputs": {"x": [1.0, 2.0, 5.0]}}, {"outputs": [2.5, 3.0, 4.5]}),
        ({"signature_name": "serving_default", "instances": [0.2]}, {"predictions": [2.1]}),
        ({"inputs": []}, {"outputs": []}),
    ],
)
def test_predict_takes_rows_and_columns(server, path, body, expected):
    answer = server.ask(path, body)
    assert (answer.status, answer.body) == (200, expected)
    assert answer.headers["content-type"] == "application/json"


_ROWS = [
    {"tag": "foo", "signal": [1, 2, 3, 4, 5], "sensor": [[1, 2], [3, 4]]},
    {"tag": "bar", "signal": [3, 4, 1, 2, 5], "sensor": [[4, 5], [6, 8]]},
]


def test_several_inputs_and_outputs_keep_their_names(server):
    by_row = server.ask(_PREDICT, {"signature_name": "documented", "instances": _ROWS})
    assert by_row.body == {
        "predictions": [
            {"tag": "foo", "total": 15, "turned": [[1.0, 3.0], [2.0, 4.0]]},
            {"tag": "bar", "total": 15, "turned": [[4.0, 6.0], [5.0, 8.0]]},
        ]
    }
    columns = {name: [row[name] for row in _ROWS] for name in _ROWS[0]}
    by_column = server.ask(_PREDICT, {"signature_name": "documented", "inputs": columns})
    assert by_column.body == {
        "outputs": {
            "tag": ["foo", "bar"],
            "total": [15, 15],
            "turned": [[[1.0, 3.0], [2.0, 4.0]], [[4.0, 6.0], [5.0, 8.0]]],
        }
    }


def test_bytes_are_sent_and_come_as_base64(server):
    image = bytes(range(256))
    encoded = {"b64": base64.b64encode(image).decode()}
    for rows in ([encoded, "söme text"], [{"image": encoded}, {"image": "söme text"}]):
        assert server.ask(_PREDICT, {"signature_name": "image", "instances": rows}).body == {"predictions": [256, 10]}
    inputs = {"text": [encoded, "söme"], "ids": [[1, 2], [2**62, -(2**62)]]}
    answer = server.ask(_PREDICT, {"signature_name": "mixed", "inputs": inputs}).body["outputs"]
    assert answer["image_bytes"] == [encoded, {"b64": base64.b64encode("söme".encode()).decode()}]
    assert answer["sum"] == [3, 0]
    assert answer["is_long"] == [True, True]
    tags = server.ask(_PREDICT, {"signature_name": "documented", "instances": [{**_ROWS[0], "tag": encoded}]})
    assert tags.body["predictions"][0]["tag"] == encoded


def test_numbers_json_has_not_are_those_of_javascript(server):
    answer = server.ask(_PREDICT, b'{"instances": [NaN, Infinity, -Infinity, 1e-3]}')
    values = answer.body["predictions"]
    assert math.isnan(values[0]) and values[1:] == [math.inf, -math.inf, 2.0005]


def test_classify_and_regress_take_examples(server):
    examples = [{"x": 1.0}, {"x": [2.0]}]
    regressed = server.ask(f"{_MODEL}:regress", {"signature_name": "regress_x_to_y", "examples": examples})
    assert (regressed.status, regressed.body) == (200, {"results": [2.5, 3.0]})
    with_context = {"signature_name": "regress_x_to_y", "context": {"y": 2.0, "x": 9.0}, "examples": examples}
    assert server.ask(f"{_MODEL}/versions/123:regress", with_context).body == {"results": [3.5, 4.0]}
    classified = server.ask(f"{_MODEL}:classify", {"signature_name": "classify_x_to_y", "examples": examples})
    assert classified.body == {"results": [[["low", 7.5], ["high", 2.5]], [["low", 7.0], ["high", 3.0]]]}


def test_status_and_metadata(server):
    status = {"version": "123", "state": "AVAILABLE", "status": {"error_code": "OK", "error_message": ""}}
    for path in (_MODEL, f"{_MODEL}/versions/123"):
        answer = server.ask(path)
        assert (answer.status, answer.body) == (200, {"model_version_status": [status]})
    answer = server.ask(f"{_MODEL}/metadata")
    assert answer.body == server.ask(f"{_MODEL}/versions/123/metadata").body
    assert answer.body["model_spec"] == {"name": "half_plus_two", "signature_name": "", "version": "123"}
    signature = answer.body["metadata"]["signature_def"]["signature_def"]["documented"]
    assert signature["method_name"] == "tensorflow/serving/predict"
    assert signature["inputs"]["signal"]["dtype"] == "DT_INT32"
    dims = [{"size": "-1", "name": ""}, {"size": "5", "name": ""}]
    assert signature["inputs"]["signal"]["tensor_shape"] == {"dim": dims, "unknown_rank": False}
    assert set(signature["outputs"]) == {"tag", "total", "turned"}


def test_an_export_answers_as_in_python(server, models):
    texts = {"text_a": ["the cat sees the dog", ""], "text_b": ["a dog", "the bird"]}
    answer = server.ask("/v1/models/tiny:predict", {"signature_name": "entailment", "inputs": texts}).body["outputs"]
    signature = tf.saved_model.load(str(models["tiny"] / "1")).signatures["entailment"]
    expected = signature(**{name: tf.constant(values) for name, values in texts.items()})
    assert answer["label"] == [label.decode() for label in expected["label"].numpy()]
    np.testing.assert_allclose(answer["probabilities"], expected["probabilities"], atol=1e-6)
    assert answer["label_names"] == [["yes", "maybe", "no"]] * 2


@pytest.mark.parametrize("signature", ["serving_default", "entailment", "similarity", "embed"])
def test_no_rows_of_an_export_are_answered_by_no_rows(server, signature):
    body = {"signature_name": signature, "inputs": {"text_a": [], "text_b": []}}
    answer = server.ask("/v1/models/tiny:predict", body)
    assert answer.status == 200
    outputs = answer.body["outputs"]
    assert outputs == ([] if signature in ("similarity", "embed") else {key: [] for key in outputs})


def _predict(**body):
    return ("POST", _PREDICT, {"instances": [1.0], **body})


def _examples(verb, signature, examples):
    return ("POST", f"{_MODEL}:{verb}", {"signature_name": signature, "examples": examples})


# Of each wrong request: the method, path and body; the status; words of the error.
_WRONG = {
    "unknown model": ("POST", "/v1/models/nope:predict", {"instances": [1]}, 404, ["nope"]),
    "status of an unknown model": ("GET", "/v1/models/nope", None, 404, ["nope"]),
    "metadata of an unknown model": ("GET", "/v1/models/nope/metadata", None, 404, ["nope"]),
    "a model's name with an encoded ?": ("GET", f"{_MODEL}%3Fa", None, 404, ["half_plus_two?a"]),
    "unknown version": ("POST", f"{_MODEL}/versions/9:predict", {"instances": [1]}, 404, ["half_plus_two", "9"]),
    "status of an unknown version": ("GET", f"{_MODEL}/versions/9", None, 404, ["version 9"]),
    "a version that is no number": ("GET", f"{_MODEL}/versions/one", None, 400, ["Malformed request"]),
    "a label": ("POST", f"{_MODEL}/labels/stable:predict", {"instances": [1]}, 400, ["stable"]),
    "unknown signature": (*_predict(signature_name="nope"), 400, ["nope", "serving_default"]),
    "a signature that is no name": (*_predict(signature_name=1), 400, ["signature_name"]),
    "missing input": ("POST", _PREDICT, {"inputs": {"z": [1.0]}}, 400, ["x", "got z"]),
    "missing input in a row": (*_predict(signature_name="documented"), 400, ["element 0", "sensor, signal, tag"]),
    "unknown input": (*_predict(instances=[{"x": 1.0, "z": 1.0}]), 400, ["element 0", "got x, z"]),
    "a string for a number": (*_predict(instances=["abc"]), 400, ["float32", "'abc'"]),
    "a number for a string": (*_predict(signature_name="image", instances=[1]), 400, ["string", "got 1"]),
    "a fraction for a whole number": (*_predict(signature_name="slow", instances=[1.5]), 400, ["int32", "1.5"]),
    "a number beyond its type": (*_predict(signature_name="slow", instances=[2**31]), 400, ["int32", "2147483648"]),
    "null": (*_predict(instances=[None]), 400, ["null"]),
    "no base64": (*_predict(signature_name="image", instances=[{"b64": "*"}]), 400, ["string"]),
    "ragged instances": (*_predict(instances=[[1.0, 2.0], [1.0]]), 400, ["ragged"]),
    "instances of other shape": (*_predict(instances=[[1.0, 2.0]]), 400, ["shape", "[1, 2]"]),
    "no instances": (*_predict(instances=[]), 400, ["instances"]),
    "neither rows nor columns": ("POST", _PREDICT, {}, 400, ["instances", "inputs"]),
    "rows and columns": (*_predict(inputs=[1.0]), 400, ["instances", "inputs"]),
    "rows of an output without rows": (
        *_predict(signature_name="mixed", instances=[{"text": "a", "ids": [1, 2]}]), 400, ["mean []"]),
    "too many rows": (*_predict(instances=[1.0] * 101), 400, ["100 rows", "got 101"]),
    "too many bytes": ("POST", _PREDICT, b" " * 100_001, 413, ["100000"]),
    "far too many bytes": ("POST", _PREDICT, b" " * 5_000_000, 413, ["100000"]),
    "not JSON": ("POST", _PREDICT, b"{'instances': [1.0]}", 400, ["JSON Parse error"]),
    "not UTF-8": ("POST", _PREDICT, b'{"instances": ["\xff"]}', 400, ["JSON Parse error"]),
    "nested too deep": ("POST", _PREDICT, b"[" * 90_000, 400, ["JSON"]),
    "a list": ("POST", _PREDICT, b"[1.0]", 400, ["JSON object"]),
    "nothing": ("POST", _PREDICT, b"", 400, ["JSON"]),
    "too many dimensions": ("POST", _PREDICT, b'{"inputs": ' + b"[" * 40 + b"]" * 40 + b"}", 400, ["dimensions"]),
    "half a surrogate pair": (
        "POST", _PREDICT, b'{"signature_name": "image", "instances": ["\\ud800"]}', 400, ["string"]),
    "wrong method": ("GET", _PREDICT, None, 400, ["Malformed request: GET"]),
    "another wrong method": ("PUT", _MODEL, {}, 400, ["Malformed request: PUT"]),
    "unknown verb": ("POST", f"{_MODEL}:explain", {}, 400, ["Malformed request"]),
    "unknown path": ("GET", "/v2/models", None, 404, ["Not Found"]),
    "a failure within the model": (*_predict(signature_name="fails", instances=[1]), 400, ["BatchMatMul"]),
    "classify by what is no classification": (*_examples("classify", "", [{"x": 1.0}]), 400, ["not a classification"]),
    "regress by what is no regression": (
        *_examples("regress", "classify_x_to_y", [{"x": 1.0}]), 400, ["not a regression"]),
    "no examples": (*_examples("regress", "regress_x_to_y", []), 400, ["examples"]),
    "an example that is no object": (*_examples("regress", "regress_x_to_y", [1.0]), 400, ["example 0"]),
    "a feature of mixed types": (
        *_examples("regress", "regress_x_to_y", [{"x": [1, 2.5]}]), 400, ["'x' of example 0", "mixes"]),
    "a feature of the wrong type": (*_examples("regress", "regress_x_to_y", [{"x": "one"}]), 400, ["x"]),
    "a feature's name with half a surrogate pair": (
        *_examples("regress", "regress_x_to_y", [{"\ud800": 1.0}]), 400, ["example 0", "UTF-8"]),
    "a missing feature": (*_examples("regress", "regress_x_to_y", [{}]), 400, ["x"]),
}  # fmt: skip


@pytest.mark.parametrize("name", _WRONG)
def test_a_wrong_request_is_told_in_tf_servings_form(server, name):
    method, path, body, status, words = _WRONG[name]
    answer = server.ask(path, body, method)
    assert answer.status == status, answer
    assert set(answer.body) == {"error"}
    for word in words:
        assert word in answer.body["error"], answer.body
    assert "\n" not in answer.body["error"] and "Traceback" not in answer.body["error"]


@pytest.mark.parametrize("host", ["[", "a/b?c", "a#b", ""])
def test_the_path_is_not_read_from_the_host(server, host):
    answer = server.ask(_PREDICT, {"instances": [1.0]}, headers={"Host": host})
    assert (answer.status, answer.body) == (200, {"predictions": [2.5]})


def test_what_is_no_http_or_ends_early_does_no_harm(server):
    begun = f"POST {_PREDICT} HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\n{{".encode()
    for content in (
        b"nonsense\r\n\r\n",
        b"\x00" * 1000,
        begun,
        b"GET / HTTP/1.1\r\nHost: a\r\n" + b"a: b\r\n" * 30_000,
    ):
        with socket.create_connection(("127.0.0.1", server.port), timeout=10) as connection:
            connection.sendall(content)
    assert server.ask(_PREDICT, {"instances": [1.0]}).body == {"predictions": [2.5]}


def test_after_all_of_it_nothing_is_in_the_log(server, log_before):
    log = server.log[log_before:]
    assert "Traceback" not in log and "failed" not in log
    assert server.ask(_PREDICT, {"instances": [1.0]}).body == {"predictions": [2.5]}
