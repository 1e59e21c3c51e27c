"""Two processes on one machine, each with a CPU of its own, train as two CPUs of one process do."""

import json
import signal
import socket

import numpy as np
import pytest
from safetensors.numpy import load_file

from tests.training.cluster_processes import clusters, finish, start, wait_for_checkpoint, write_inputs


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("workers")
    write_inputs(folder)
    return folder


WORKERS = [("worker", 0), ("worker", 1)]
CHIEF_AND_WORKER = [("chief", 0), ("worker", 0)]


def start_two(folder, output, tasks):
    with socket.socket() as first, socket.socket() as second:
        first.bind(("127.0.0.1", 0))
        second.bind(("127.0.0.1", 0))
        hosts = [f"127.0.0.1:{taken.getsockname()[1]}" for taken in (first, second)]
    return [start(folder, output, tf_config=config) for config in clusters(hosts, tasks)]


def test_a_dead_worker_ends_the_other_and_a_restart_ends_with_the_weights_of_one_process(folder):
    output = folder / "multi_worker"
    chief, other = start_two(folder, output, WORKERS)
    wait_for_checkpoint(output, [chief, other])
    other.send_signal(signal.SIGKILL)
    other.communicate()
    status, _, errors = finish(chief, timeout=120)
    assert status not in (0, -signal.SIGKILL)
    assert "error: worker 0 of 2: another worker has ended or is not reached" in errors.splitlines()[-1]
    assert not (output / "model").exists()

    for process in start_two(folder, output, CHIEF_AND_WORKER):
        status, printed, errors = finish(process)
        assert status == 0, errors[-2000:]
        assert "metrics 3" in printed
    status, _, errors = finish(start(folder, folder / "mirrored", "mirrored"))
    assert status == 0, errors[-2000:]
    several, one = (load_file(folder / name / "model" / "weights.safetensors") for name in ("multi_worker", "mirrored"))
    assert several.keys() == one.keys()
    assert max(np.abs(several[name] - one[name]).max() for name in one) < 1e-6
    assert not list(output.glob("checkpoints*"))


@pytest.mark.parametrize(
    ("tf_config", "words"),
    [
        (None, "TF_CONFIG, which is not set"),
        ("{", "is not JSON"),
        ({"task": {"type": "worker", "index": 0}}, "has no object 'cluster'"),
        (
            {"cluster": {"worker": ["localhost"]}, "task": {"type": "worker", "index": 0}},
            "must have a list of HOST",
        ),
        (
            {"cluster": {"worker": ["a:1", "a:1"]}, "task": {"type": "worker", "index": 0}},
            "duplicate worker: a:1",
        ),
        ({"cluster": {"worker": ["a:1"]}, "task": {"type": "worker", "index": 1}}, "worker 0 to 0, got"),
        ({"cluster": {"chief": ["a:1"]}, "task": {"type": "worker", "index": 0}}, "chief 0 to 0, got"),
        (
            {"cluster": {"chief": ["a:1"], "worker": ["b:1"]}, "task": {"type": "chief", "index": 1}},
            "chief 0 to 0 or worker 0 to 0, got",
        ),
        ({"cluster": {"chief": ["a:1", "b:1"]}, "task": {"type": "chief", "index": 0}}, "one chief, got a:1, b:1"),
        ({"cluster": {"chief": ["a:1"], "worker": ["a:1"]}, "task": {"type": "chief", "index": 0}}, "duplicate worker"),
        ({"cluster": {"chief": "a:1"}, "task": {"type": "chief", "index": 0}}, "as cluster.chief, got"),
        ({"cluster": {"worker": []}, "task": {"type": "worker", "index": 0}}, "neither a chief nor a worker"),
        ({"cluster": {"worker": ["a:1"]}, "task": {"type": ["worker"], "index": 0}}, "as task worker 0 to 0, got"),
        (
            {"cluster": {"worker": ["a:1"], "ps": ["b:1"]}, "task": {"type": "worker", "index": 0}},
            "job ps, .* leave it out",
        ),
        (
            {"cluster": {"worker": ["a:1"]}, "task": {"type": "evaluator", "index": 0}},
            "job evaluator, .* chief evaluates",
        ),
        (
            {"cluster": {"worker": ["a:1"], "master": ["b:1"]}, "task": {"type": "master", "index": 0}},
            "other than chief and worker: master",
        ),
    ],
)
def test_a_wrong_cluster_is_refused_in_one_line(tf_config, words, monkeypatch):
    from mtdnn_tf.errors import UserError
    from mtdnn_tf.training.cluster import read_cluster

    if tf_config is None:
        monkeypatch.delenv("TF_CONFIG", raising=False)
    else:
        monkeypatch.setenv("TF_CONFIG", tf_config if isinstance(tf_config, str) else json.dumps(tf_config))
    with pytest.raises(UserError, match=words) as raised:
        read_cluster()
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("job", "index", "place"), [("chief", 0, (3, 0, True)), ("worker", 0, (3, 1, False)), ("worker", 1, (3, 2, False))]
)
def test_a_chief_comes_before_the_workers(job, index, place, monkeypatch):
    from mtdnn_tf.training.cluster import read_cluster

    cluster = {"worker": ["b:1", "c:1"], "chief": ["a:1"]}
    monkeypatch.setenv("TF_CONFIG", json.dumps({"cluster": cluster, "task": {"type": job, "index": index}}))
    found = read_cluster()
    assert (found.num_workers, found.index, found.is_chief) == place


def test_this_workers_place_is_read(monkeypatch):
    from mtdnn_tf.training.cluster import read_cluster

    monkeypatch.setenv("TF_CONFIG", '{"cluster": {"worker": ["a:1", "b:2"]}, "task": {"type": "worker", "index": 1}}')
    cluster = read_cluster()
    assert (cluster.num_workers, cluster.index, cluster.is_chief, cluster.is_alone) == (2, 1, False, False)
