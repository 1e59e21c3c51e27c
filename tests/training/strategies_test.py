import subprocess
import sys
from pathlib import Path

import pytest

from mtdnn_tf.errors import UserError
from mtdnn_tf.training.strategies import make_strategy

# A process can split its CPU only before it has used it.
COMPARISON = """
import dataclasses, sys
from pathlib import Path
import numpy as np
from safetensors.numpy import load_file
from mtdnn_tf.training.config import TrainingConfig
from mtdnn_tf.training.run import train
from mtdnn_tf.training.strategies import split_cpu
from tests.helpers import write_huggingface_folder, write_tasks
from mtdnn_tf.modeling import heads
from mtdnn_tf.modeling.san_head import SanHead

# Which of SAN's steps are kept is a draw of each replica's own.
heads.HEAD_LAYERS["san"] = lambda **given: SanHead(**given, prediction_dropout=0.0)
folder = Path(sys.argv[1])
split_cpu(2)
write_huggingface_folder(folder / "bert")
task_file = write_tasks(folder / "tasks", rows=39)
text = task_file.read_text().replace("    files:", "    dropout: 0.0\\n    files:")
task_file.write_text(text)
config = TrainingConfig.build(
    output_dir=folder / "off", data_dir=folder, cache_dir=folder / "cache", task_file=(task_file,),
    pair_head="san", max_sequence_length=32,
    backbone=str(folder / "bert"), dropout=0.0, epochs=1, batch_size=8, learning_rate=1e-3,
    optimizer="adamw", evaluation="never",
)
train(config)
train(config.replace(output_dir=folder / "mirrored", strategy="mirrored"))
one, two = (load_file(folder / name / "model" / "weights.safetensors") for name in ("off", "mirrored"))
start = load_file(folder / "bert" / "model.safetensors")
print(len([name for name in one if name.startswith("heads.entailment")]))
print(max(np.abs(one[name] - two[name]).max() for name in one))
print(max(np.abs(one["backbone." + name] - start[name]).max() for name in start))
"""


def test_two_logical_cpus_end_with_the_weights_of_one_device(tmp_path):
    result = subprocess.run(
        [sys.executable, "-c", COMPARISON, tmp_path],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr[-2000:]
    san_variables, difference, moved = map(float, result.stdout.splitlines()[-3:])
    assert san_variables == 7
    assert difference < 1e-5 < moved


def test_an_unknown_strategy_is_refused():
    with pytest.raises(UserError, match="did you mean 'mirrored'"):
        make_strategy("mirored")
