"""Requests that arrive together share a batch, and each gets its own answer."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from mtdnn_tf.errors import UserError
from mtdnn_tf.serving.export import export_model
from mtdnn_tf.serving.server.models.batcher import Batcher, BatchingOptions
from mtdnn_tf.serving.server.models.servable import Servable
from tests.serving.examples import PAIR, SINGLE, loaded_model, random_texts


class Doubling:
    """Doubles rows once it may; a negative number is at fault."""

    def __init__(self) -> None:
        self.may = threading.Event()
        self.batches: list[list[float]] = []

    def __call__(self, _: str, inputs):
        assert self.may.wait(20)
        self.batches.append(inputs["x"].ravel().tolist())
        if (inputs["x"] < 0).any():
            raise ValueError("negative")
        return {"y": 2 * inputs["x"]}


def _ask_together(batcher: Batcher, run: Doubling, values: list) -> list:
    """Returns answers to requests of which all but the first arrive while the first is computed."""
    with ThreadPoolExecutor(len(values)) as threads:
        asked = []
        for value in values:
            asked.append(threads.submit(batcher.run, "s", {"x": value}))
            time.sleep(0.02)
        run.may.set()
        return [one.exception() or one.result()["y"] for one in asked]


def _rows(*numbers: float) -> np.ndarray:
    return np.array(numbers, np.float32)


def test_requests_gather_while_others_are_computed():
    run = Doubling()
    batcher = Batcher(run, BatchingOptions(num_batch_threads=1))
    answers = _ask_together(batcher, run, [_rows(1), _rows(2), _rows(3, 4), _rows(5)])
    assert [answer.tolist() for answer in answers] == [[2], [4], [6, 8], [10]]
    assert run.batches == [[1], [2, 3, 4, 5]]


def test_a_batch_has_no_more_rows_than_allowed_and_keeps_the_order():
    run = Doubling()
    batcher = Batcher(run, BatchingOptions(num_batch_threads=1, max_batch_size=3))
    answers = _ask_together(batcher, run, [_rows(1), _rows(2, 3), _rows(4, 5), _rows(6), _rows(7, 8, 9, 10)])
    assert [answer.tolist() for answer in answers] == [[2], [4, 6], [8, 10], [12], [14, 16, 18, 20]]
    assert run.batches == [[1], [2, 3], [4, 5, 6], [7, 8, 9, 10]]


def test_requests_of_other_shapes_or_of_no_rows_are_computed_alone():
    run = Doubling()
    batcher = Batcher(run, BatchingOptions(num_batch_threads=1))
    values: list = [_rows(1), _rows(2), np.ones((1, 2), np.float32), _rows(), np.array([3.0]), _rows(4), np.float32(5)]
    answers = _ask_together(batcher, run, values)
    assert [answer.shape for answer in answers] == [value.shape for value in values]
    assert sorted(map(tuple, run.batches)) == [(), (1.0,), (1.0, 1.0), (2.0, 4.0), (3.0,), (5.0,)]


def test_one_request_at_fault_leaves_the_others_their_answers():
    run = Doubling()
    batcher = Batcher(run, BatchingOptions(num_batch_threads=1))
    first, second, fault, third = _ask_together(batcher, run, [_rows(1), _rows(2), _rows(-1), _rows(3)])
    assert (first.tolist(), second.tolist(), third.tolist()) == ([2], [4], [6])
    assert isinstance(fault, ValueError)
    assert run.batches == [[1], [2, -1, 3], [2], [-1], [3]]


def test_a_timeout_lets_a_first_request_wait_for_others():
    run = Doubling()
    run.may.set()
    batcher = Batcher(run, BatchingOptions(num_batch_threads=1, batch_timeout_micros=400_000, max_batch_size=3))
    begun = time.monotonic()
    _ask_together(batcher, run, [_rows(1), _rows(2)])
    assert time.monotonic() - begun > 0.35 and run.batches == [[1, 2]]
    begun = time.monotonic()
    _ask_together(batcher, run, [_rows(1), _rows(2), _rows(3)])
    assert run.batches[1:] == [[1, 2, 3]]


def test_a_lone_request_does_not_wait():
    run = Doubling()
    run.may.set()
    begun = time.monotonic()
    Batcher(run, BatchingOptions()).run("s", {"x": _rows(1)})
    assert time.monotonic() - begun < 1


@pytest.fixture(name="version", scope="module")
def _version(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("batched") / "1"
    export_model(loaded_model([SINGLE, PAIR]), folder)
    return folder


def test_64_clients_get_the_answers_that_each_gets_alone(version):
    servable = Servable("m", 1, version, BatchingOptions(num_batch_threads=1))
    texts = [text for text in random_texts(3) if len(text) < 200][:64]
    requests = [{"text_a": np.array(texts[number : number + 1 + number % 3], object)} for number in range(62)]
    requests += [{"text_a": np.array([], object)}, {"text_a": np.array([b"\xff"], object)}]
    alone = [servable.run("single", request) for request in requests]
    with ThreadPoolExecutor(64) as threads:
        together = list(threads.map(lambda request: servable.run("single", request), requests))
    for one, other in zip(alone, together):
        np.testing.assert_allclose(other["probabilities"], one["probabilities"], atol=1e-5)
        assert other["label_names"].tolist() == one["label_names"].tolist()
        assert len(other["label"]) == len(one["label"])


@pytest.mark.parametrize("field", ["num_batch_threads", "max_batch_size"])
def test_a_number_below_one_is_refused(field):
    with pytest.raises(UserError, match=f"`{field}` must be an integer >= 1, got 0"):
        BatchingOptions(**{field: 0})
