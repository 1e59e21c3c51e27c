"""A training begun with one dependency set and continued with the other goes on from its checkpoint, and says so."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from tests.helpers import write_huggingface_folder, write_tasks
from tests.tools.binaries import ROOT

# Python of an environment with the other set, such as .venv313/bin/python.
_OTHER = os.environ.get("MTDNN_TF_OTHER_PYTHON", "")


def _command(python: str, folder: Path, run: Path) -> list[str]:
    return [
        *(python, "-m", "tools.train"),
        f"--task_file={folder / 'tasks' / 'tasks.yaml'}",
        f"--cache_dir={folder / 'cache'}",
        f"--backbone={folder / 'bert'}",
        f"--output_dir={run}",
        *("--max_sequence_length=32", "--epochs=12", "--batch_size=8", "--learning_rate=0.001", "--parallel_parts=1"),
        *("--evaluation=end", "--checkpoint_interval=15", "--loggers="),
    ]


def _train(python: str, folder: Path, run: Path) -> str:
    """Runs a training to its end, and returns its log."""
    result = subprocess.run(_command(python, folder, run), cwd=ROOT, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    return result.stderr


def _begin(python: str, folder: Path, run: Path) -> None:
    """Begins a training, and kills it when it has a checkpoint."""
    process = subprocess.Popen(_command(python, folder, run), cwd=ROOT, stderr=subprocess.DEVNULL)
    while not any((run / "checkpoints").glob("ckpt-*")):
        assert process.poll() is None
        time.sleep(0.01)
    process.kill()
    assert process.wait() == -signal.SIGKILL


@pytest.mark.slow
@pytest.mark.skipif(not _OTHER, reason="needs MTDNN_TF_OTHER_PYTHON")
@pytest.mark.parametrize("begins", ["this set", "the other set"])
def test_a_training_is_continued_with_the_other_set(tmp_path: Path, begins: str) -> None:
    write_huggingface_folder(tmp_path / "bert")
    write_tasks(tmp_path / "tasks")
    first, second = (sys.executable, _OTHER) if begins == "this set" else (_OTHER, sys.executable)
    _begin(first, tmp_path, tmp_path / "run")
    log = _train(second, tmp_path, tmp_path / "run")
    assert re.search(r"written by TensorFlow \S+, continued by \S+: the weights will be", log)
    assert re.search(r"continues at step [1-9]", log)
    _train(first, tmp_path, tmp_path / "whole")
    found, expected = (load_file(tmp_path / run / "model" / "weights.safetensors") for run in ("run", "whole"))
    assert found.keys() == expected.keys()
    for name, weights in expected.items():
        # The gradient of a key's bias is 0 but for rounding, which the optimizer scales to full steps.
        tolerance = 1e-2 if name.endswith("key.bias") else 1e-4
        np.testing.assert_allclose(found[name], weights, rtol=0, atol=tolerance, err_msg=name)
