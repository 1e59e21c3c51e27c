"""A network that is cut while three machines train: three processes in network namespaces of their own.

Needs the right to make network namespaces, and the command `ip` (iproute2).
"""

import contextlib
import os
import subprocess
import time

import numpy as np
import pytest
from safetensors.numpy import load_file

from tests.training.cluster_processes import clusters, finish, start, wait_for_checkpoint, write_inputs

TASKS = [("chief", 0), ("worker", 0), ("worker", 1)]
HOSTS = ["10.77.0.1", "10.77.0.2", "10.77.0.3"]
HUB = f"mtdnn-{os.getpid()}"
# TensorFlow asks every 30 s whether the others answer, up to three times for 10 s each. The rest is for a busy machine.
SECONDS = 120


def ip(*arguments):
    subprocess.run(["ip", *arguments], check=True, capture_output=True, text=True)


def place(number):
    return f"{HUB}-{number}"


@pytest.fixture
def network():
    """A bridge in a namespace, and a namespace per machine that is connected with it."""
    with contextlib.ExitStack() as made:
        try:
            for name in (HUB, *map(place, range(len(HOSTS)))):
                ip("netns", "add", name)
                made.callback(ip, "netns", "del", name)
        except (OSError, subprocess.CalledProcessError) as error:
            pytest.skip(f"no network namespaces: {error}")
        ip("-n", HUB, "link", "add", "bridge", "type", "bridge")
        ip("-n", HUB, "link", "set", "bridge", "up")
        for number, host in enumerate(HOSTS):
            machine, port = place(number), f"port{number}"
            ip("-n", HUB, "link", "add", port, "type", "veth", "peer", "name", "net", "netns", machine)
            ip("-n", HUB, "link", "set", port, "master", "bridge", "up")
            ip("-n", machine, "address", "add", f"{host}/24", "dev", "net")
            for device in ("net", "lo"):
                ip("-n", machine, "link", "set", device, "up")
        yield


def start_all(folder, output):
    configs = clusters([f"{host}:2222" for host in HOSTS], TASKS)
    return [
        start(folder, output, tf_config=config, prefix=["ip", "netns", "exec", place(number)])
        for number, config in enumerate(configs)
    ]


@pytest.mark.slow
@pytest.mark.usefixtures("network")
def test_a_cut_network_ends_all_workers_and_a_restart_ends_with_the_weights_of_one_process(tmp_path):
    write_inputs(tmp_path)
    output = tmp_path / "multi_worker"
    processes = start_all(tmp_path, output)
    wait_for_checkpoint(output, processes, timeout=900)
    ip("-n", HUB, "link", "set", "port2", "down")
    cut = time.monotonic()
    for number, process in enumerate(processes):
        status, _, errors = finish(process, timeout=cut + SECONDS - time.monotonic())
        assert status == 1, errors[-2000:]
        assert f"error: worker {number} of 3: another worker has ended or is not reached" in errors.splitlines()[-1]
    assert not (output / "model").exists()

    ip("-n", HUB, "link", "set", "port2", "up")
    for process in start_all(tmp_path, output):
        status, printed, errors = finish(process, timeout=900)
        assert status == 0, errors[-2000:]
        assert "metrics 3" in printed
    status, _, errors = finish(start(tmp_path, tmp_path / "mirrored", "mirrored", cpus=3), timeout=900)
    assert status == 0, errors[-2000:]
    several, one = (
        load_file(tmp_path / name / "model" / "weights.safetensors") for name in ("multi_worker", "mirrored")
    )
    assert several.keys() == one.keys()
    assert max(np.abs(several[name] - one[name]).max() for name in one) < 1e-6
