import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

# Works in one piece that no signal interrupts, as a step of TensorFlow's is.
WORK = """
import time
from mtdnn_tf.interruption import Interrupted, install_handlers, postponed, stop_if_asked
install_handlers()
try:
    with postponed():
        print("working", flush=True)
        end = time.monotonic() + {seconds}
        while time.monotonic() < end:
            time.sleep(0.01)
        print("worked", flush=True)
    stop_if_asked()
    print("not asked", flush=True)
except Interrupted as stop:
    print(stop.at("here"), flush=True)
    raise SystemExit(stop.exit_status) from None
"""


def start(seconds):
    process = subprocess.Popen(
        [sys.executable, "-c", WORK.format(seconds=seconds)],
        cwd=Path(__file__).parents[1],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "working\n"
    return process


@pytest.mark.parametrize(("number", "status"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_second_signal_ends_at_once(number, status):
    process = start(60)
    process.send_signal(signal.SIGTERM)
    time.sleep(0.8)
    assert process.poll() is None
    process.send_signal(number)
    output, errors = process.communicate(timeout=20)
    assert (process.returncode, output, errors) == (status, "", f"exited at once after a second {number.name}\n")


@pytest.mark.parametrize(("number", "status"), [(signal.SIGTERM, 75), (signal.SIGINT, 130)])
def test_signals_that_come_together_are_one(number, status):
    process = start(1.5)
    process.send_signal(number)
    process.send_signal(number)
    output, errors = process.communicate(timeout=20)
    stopped = f"stopped by {number.name} here; the same command continues"
    assert (process.returncode, output, errors) == (status, f"worked\n{stopped}\n", "")


def test_no_signal_changes_nothing():
    process = start(0.5)
    output, errors = process.communicate(timeout=20)
    assert (process.returncode, output, errors) == (0, "worked\nnot asked\n", "")
