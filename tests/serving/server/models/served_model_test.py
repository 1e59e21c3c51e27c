from __future__ import annotations

import json
import shutil
import threading
import time

import grpc
import numpy as np
import pytest
from tensorflow_serving.apis.get_model_status_pb2 import ModelVersionStatus

from mtdnn_tf.serving.server.models.batcher import BatchingOptions
from mtdnn_tf.serving.server.models.served_model import ServedModel
from mtdnn_tf.serving.server.status import ServingError
from tests.serving.server.small_models import write_affine

_TEN = {"x": np.array([10.0], np.float32)}


@pytest.fixture(name="versions", scope="module")
def _versions(tmp_path_factory):
    """Folders of versions that answer 7 and 8 for 10."""
    folder = tmp_path_factory.mktemp("versions")
    for number in (2, 3):
        write_affine(folder / str(number), float(number))
    return folder


@pytest.fixture(name="base")
def _base(versions, tmp_path):
    base = tmp_path / "model"
    base.mkdir()
    shutil.copytree(versions / "2", base / "2")
    return base


def _answer(model):
    with model.lease() as servable:
        return servable.run("", _TEN)["y"].tolist()


def _states(model):
    versions = model.status().model_version_status
    return {status.version: ModelVersionStatus.State.Name(status.state) for status in versions}


def test_the_old_version_ends_when_its_last_request_has(base, versions, caplog):
    caplog.set_level("INFO", logger="absl")
    model = ServedModel("name", base, BatchingOptions())
    model.poll()
    assert _answer(model) == [7.0]
    with model.lease() as old:
        shutil.copytree(versions / "3", base / "3")
        model.poll()
        assert _answer(model) == [8.0]
        assert old.run("", _TEN)["y"].tolist() == [7.0]
        assert _states(model) == {2: "UNLOADING", 3: "AVAILABLE"}
        with pytest.raises(ServingError, match=r"Specific\(name, 2\)"), model.lease(2):
            pass
        assert "unloaded" not in caplog.text
    assert _states(model) == {3: "AVAILABLE"}
    assert "model name: unloaded version 2" in caplog.text


@pytest.mark.parametrize("damage", ["not a graph", "no weights", "a cut graph"])
def test_a_version_that_cannot_be_loaded_is_told_once_and_the_old_one_stays(base, versions, caplog, damage):
    model = ServedModel("name", base, BatchingOptions())
    model.poll()
    shutil.copytree(versions / "3", base / "3")
    graph = base / "3" / "saved_model.pb"
    if damage == "not a graph":
        graph.write_bytes(b"nonsense")
    elif damage == "a cut graph":
        graph.write_bytes(graph.read_bytes()[:5000])
    else:
        shutil.rmtree(base / "3" / "variables")
    for _ in range(3):
        model.poll()
    assert _answer(model) == [7.0]
    (line,) = [record.getMessage() for record in caplog.records if record.levelname == "ERROR"]
    assert line.startswith(f"{base / '3'}: cannot load version (") and "\n" not in line
    assert _states(model) == {2: "AVAILABLE", 3: "END"}
    failed = model.status(3).model_version_status[0].status
    assert failed.error_code == grpc.StatusCode.UNKNOWN.value[0] and failed.error_message
    # A repaired one is served.
    shutil.rmtree(base / "3")
    model.poll()
    assert _states(model) == {2: "AVAILABLE"}
    shutil.copytree(versions / "3", base / "3")
    model.poll()
    assert _answer(model) == [8.0]


def test_what_is_no_version_is_not_looked_at(base, versions, caplog):
    model = ServedModel("name", base, BatchingOptions())
    model.poll()
    for name in (".3.temporary", "latest", "3a", "-3", "\u0663"):
        shutil.copytree(versions / "3", base / name)
    (base / "9").mkdir()
    (base / "8").write_text("a file")
    model.poll()
    assert _states(model) == {2: "AVAILABLE"}
    assert not caplog.records


def test_a_version_that_is_taken_back_gives_way_to_the_one_below(base, versions):
    shutil.copytree(versions / "3", base / "3")
    model = ServedModel("name", base, BatchingOptions())
    model.poll()
    assert _answer(model) == [8.0]
    shutil.rmtree(base / "3")
    model.poll()
    assert _answer(model) == [7.0]
    shutil.rmtree(base)  # What is loaded answers on.
    model.poll()
    assert _answer(model) == [7.0]


def _switch_under_load(server, base, switches, seconds):
    """Asks from several threads while versions are added; returns all answers in their order, by thread."""
    answers: list[list[object]] = [[] for _ in range(3)]
    ended = threading.Event()

    def ask(found):
        while not ended.is_set():
            answer = server.ask("/v1/models/switching:predict", {"instances": [10.0]})
            found.append(answer.body.get("predictions", [answer])[0])

    threads = [threading.Thread(target=ask, args=(found,)) for found in answers]
    for thread in threads:
        thread.start()
    try:
        for number in switches:
            time.sleep(seconds)
            write_affine(base / str(number), float(number + 1))
            server.wait_for_log(f"model switching: serving version {number}")
            server.wait_for_log(f"model switching: unloaded version {number - 1}")
        asked = [len(found) for found in answers]
        while any(len(found) < before + 2 for found, before in zip(answers, asked)):
            time.sleep(0.01)
    finally:
        ended.set()
        for thread in threads:
            thread.join()
    return answers


def _check_switches(answers, first, last):
    for found in answers:
        assert found == sorted(found), found  # No request is lost, and none gets an older version's answer again.
        assert found[0] == first and found[-1] == last


def test_a_switch_under_load_loses_no_request(server, models):
    _check_switches(_switch_under_load(server, models["switching"], [2], 0.2), 7.0, 8.0)
    assert json.dumps(server.ask("/v1/models/switching").body).count("AVAILABLE") == 1


@pytest.mark.slow
def test_ten_switches_under_load_lose_no_request(server, models):
    base = models["switching"]
    first = max(int(path.name) for path in base.iterdir() if path.name.isdigit()) + 1
    answers = _switch_under_load(server, base, range(first, first + 10), 1.0)
    _check_switches(answers, 5.0 + first, 15.0 + first)
    print(f"{sum(map(len, answers))} requests answered over 10 switches")
