"""A long training keeps its memory, its file handles and its number of checkpoints."""

import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

from mtdnn_tf.training.config import TrainingConfig
from tests.helpers import write_huggingface_folder, write_tasks

ROOT = Path(__file__).parents[2]
_EPOCHS, _STEPS_PER_EPOCH = 200, 15


def _resident(pid: int) -> int:
    found = re.search(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    return int(found[1]) if found else 0


@pytest.mark.slow
def test_3000_steps_with_evaluation_and_checkpoints_leak_nothing(tmp_path, record_property):
    write_huggingface_folder(tmp_path / "bert")
    config = TrainingConfig.build(
        output_dir=tmp_path / "run",
        data_dir=tmp_path,
        cache_dir=tmp_path / "cache",
        task_file=(write_tasks(tmp_path / "tasks"),),
        max_sequence_length=32,
        backbone=str(tmp_path / "bert"),
        epochs=_EPOCHS,
        batch_size=8,
        learning_rate=0.001,
        evaluation_batch_size=16,
        checkpoint_interval=50,
        keep_checkpoints=2,
    )
    command = [sys.executable, "-m", "tools.train", *config.to_flagfile().split()]
    seen: dict[int, tuple[int, int]] = {}
    with subprocess.Popen(command, cwd=ROOT, stderr=subprocess.DEVNULL) as process:
        metrics = tmp_path / "run" / "metrics"
        while process.poll() is None:
            epochs = len(list(metrics.glob("epoch_*.json")))
            standing = list((tmp_path / "run" / "checkpoints").glob("ckpt-*"))
            # One more while the oldest is removed.
            assert len(standing) <= config.checkpoints.keep_checkpoints + 1, standing
            try:
                handles = len(list(Path(f"/proc/{process.pid}/fd").iterdir()))
                seen[epochs * _STEPS_PER_EPOCH] = (_resident(process.pid), handles)
            except FileNotFoundError:
                break
            time.sleep(0.2)
    assert process.returncode == 0
    assert len(list(metrics.glob("epoch_*.json"))) == _EPOCHS
    # The end writes the model, which is no step.
    later = {step: values for step, values in seen.items() if 300 <= step < _EPOCHS * _STEPS_PER_EPOCH and values[0]}
    first, last = min(later), max(later)
    growth = later[last][0] / later[first][0] - 1
    figures = f"steps {first} to {last}: memory {growth:+.2%}, file handles {later[first][1]} to {later[last][1]}"
    print(figures)
    record_property("note", figures)
    assert last - first > 2000
    assert growth < 0.02
    # A step may be amid the writing of a file or two.
    assert later[last][1] <= later[first][1] + 3
