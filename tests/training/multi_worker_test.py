"""Two processes on one machine, each with a CPU of its own, train as two CPUs of one process do."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from tests.helpers import write_huggingface_folder, write_tasks

TRAINING = """
import sys
from pathlib import Path
from mtdnn_tf.errors import UserError
from mtdnn_tf.training.config import TrainingConfig
from mtdnn_tf.training.run import train
from mtdnn_tf.training.strategies import split_cpu
folder, output, strategy = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]
if strategy == "mirrored":
    split_cpu(2)
config = TrainingConfig.build(
    output_dir=output, data_dir=folder, cache_dir=folder / "cache", task_file=(folder / "tasks" / "tasks.yaml",),
    pair_head="linear", max_sequence_length=32, backbone=str(folder / "bert"), dropout=0.0, epochs=int(sys.argv[4]),
    batch_size=8, learning_rate=1e-3, optimizer="adamw", evaluation="end", strategy=strategy, checkpoint_interval=5,
)
try:
    print("metrics", len(train(config)))
except UserError as error:
    sys.exit(f"error: {error}")
"""
EPOCHS = 3


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("workers")
    write_huggingface_folder(folder / "bert")
    task_file = write_tasks(folder / "tasks", rows=39)
    task_file.write_text(task_file.read_text().replace("    files:", "    dropout: 0.0\n    files:"))
    return folder


def start(folder, output, strategy="multi_worker", tf_config=None):
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
    if tf_config is not None:
        environment["TF_CONFIG"] = tf_config if isinstance(tf_config, str) else json.dumps(tf_config)
    return subprocess.Popen(
        [sys.executable, "-c", TRAINING, folder, output, strategy, str(EPOCHS)],
        cwd=Path(__file__).parents[2],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def start_two(folder, output):
    with socket.socket() as first, socket.socket() as second:
        first.bind(("127.0.0.1", 0))
        second.bind(("127.0.0.1", 0))
        hosts = [f"127.0.0.1:{taken.getsockname()[1]}" for taken in (first, second)]
    configs = [{"cluster": {"worker": hosts}, "task": {"type": "worker", "index": index}} for index in (0, 1)]
    return [start(folder, output, tf_config=config) for config in configs]


def finish(process, timeout=300):
    try:
        output, errors = process.communicate(timeout=timeout)
    finally:
        process.kill()
    return process.returncode, output, errors


def test_a_dead_worker_ends_the_other_and_a_restart_ends_with_the_weights_of_one_process(folder):
    output = folder / "multi_worker"
    chief, other = start_two(folder, output)
    deadline = time.monotonic() + 300
    while not list((output / "checkpoints").glob("ckpt-*/manifest.json")) and time.monotonic() < deadline:
        assert chief.poll() is None and other.poll() is None
        time.sleep(0.05)
    other.send_signal(signal.SIGKILL)
    other.communicate()
    status, _, errors = finish(chief, timeout=120)
    assert status not in (0, -signal.SIGKILL)
    assert "error: worker 0 of 2: another worker has ended or is not reached" in errors.splitlines()[-1]
    assert not (output / "model").exists()

    for process in start_two(folder, output):
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
        ({"cluster": {"worker": ["a:1"]}, "task": {"type": "worker", "index": 1}}, "index 0 to 0"),
        ({"cluster": {"worker": ["a:1"], "ps": ["b:1"]}, "task": {"type": "ps", "index": 0}}, "other than worker: ps"),
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


def test_this_workers_place_is_read(monkeypatch):
    from mtdnn_tf.training.cluster import read_cluster

    monkeypatch.setenv("TF_CONFIG", '{"cluster": {"worker": ["a:1", "b:2"]}, "task": {"type": "worker", "index": 1}}')
    cluster = read_cluster()
    assert (cluster.num_workers, cluster.index, cluster.is_chief, cluster.is_alone) == (2, 1, False, False)
