import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from mtdnn_tf.distillation.soft_targets import read_soft_targets
from tests.helpers import write_huggingface_folder, write_tasks
from tests.training.compiled_trainer_test import XLA_FLAGS

ROOT = Path(__file__).parents[2]


def _run(tool, *flags):
    result = subprocess.run(
        [sys.executable, "-m", f"tools.{tool}", *flags],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
        env={**os.environ, "XLA_FLAGS": XLA_FLAGS},
    )
    # A crash of the compiler's is a negative status.
    assert result.returncode == 0, f"status {result.returncode}: {result.stderr[-2000:]}"


@pytest.mark.slow
def test_scores_of_compiled_teachers_are_those_of_ordinary_ones(tmp_path):
    write_huggingface_folder(tmp_path / "bert", layers=1)
    tasks = write_tasks(tmp_path / "tasks", rows=41)
    data = [f"--task_file={tasks}", f"--cache_dir={tmp_path / 'cache'}"]
    model = [f"--backbone={tmp_path / 'bert'}", "--max_sequence_length=24", "--pair_head=san", "--learning_rate=0.01"]
    run = tmp_path / "run"
    _run("train", *data, *model, f"--output_dir={run}", "--epochs=1", "--evaluation=never")
    stores = {}
    for name, flags in (("plain", []), ("compiled", ["--jit_compile", "--evaluation_batch_size=12"])):
        _run("score", *data, f"--teachers={run}", f"--output_dir={tmp_path / name}", *flags)
        stores[name] = {
            path.name: read_soft_targets(path) for path in sorted((tmp_path / name).iterdir()) if path.is_dir()
        }
    assert stores["plain"].keys() == stores["compiled"].keys()
    assert len(stores["plain"]) == 3
    for name, plain in stores["plain"].items():
        compiled = stores["compiled"][name]
        assert list(compiled.example_ids) == list(plain.example_ids)
        np.testing.assert_allclose(compiled.predictions, plain.predictions, atol=1e-5)
        assert np.ptp(plain.predictions) > 1e-3
