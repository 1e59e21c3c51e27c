import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.training.compiled_trainer_test import XLA_FLAGS

ROOT = Path(__file__).parents[2]

# One device compiled by XLA, and two replicas that stand in for a TPU's cores: the same code hands them their batches
# and runs the step on them, and what compiles it is missing.
RUNS = """
import dataclasses, json, logging, signal, sys
from pathlib import Path
import numpy as np
import tensorflow as tf
from safetensors.numpy import load_file
from mtdnn_tf.data.encoding import EncodedData
from mtdnn_tf.data.sources.source import DataSource
from mtdnn_tf.evaluation.predictor import InferenceSettings, Predictor
from mtdnn_tf.interruption import Interrupted
from mtdnn_tf.modeling.checkpoints.model_folder import load_model
from mtdnn_tf.training import callbacks, run
from mtdnn_tf.training.config import TrainingConfig
from mtdnn_tf.training.strategies import make_strategy, split_cpu
from tests.helpers import write_huggingface_folder, write_tasks

folder, mode, length = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
if mode == "replicas":
    split_cpu(2)
    run.make_strategy = lambda name, tpu: make_strategy("mirrored" if name == "tpu" else name)
write_huggingface_folder(folder / "bert", layers=1)
task_file = write_tasks(folder / "tasks", rows=39)
text = task_file.read_text().replace("    files:", "    dropout: 0.0\\n    files:")
task_file.write_text(text)
config = TrainingConfig.build(
    output_dir=folder / "off", data_dir=folder, cache_dir=folder / "cache", task_file=(task_file,),
    max_sequence_length=length, backbone=str(folder / "bert"), dropout=0.0, epochs=length // 12, batch_size=8,
    learning_rate=1e-3, optimizer='adamw',     evaluation_batch_size=16, evaluation="end", checkpoint_interval=4,
)
static = {"strategy": "tpu"} if mode == "replicas" else {"jit_compile": True}
logged = []
handler = logging.Handler()
handler.emit = lambda record: logged.append(record.getMessage())
logging.getLogger("absl").addHandler(handler)
logging.getLogger("absl").setLevel("INFO")


def weights(name):
    return load_file(folder / name / "model" / "weights.safetensors")


def difference(one, other):
    return max(float(np.abs(one[name] - other[name]).max()) for name in one)


expected = run.train(config)
logged.clear()
static_config = config.replace(output_dir=folder / "static", steps_per_execution=4, **static)
found = run.train(static_config)
traces = [line for line in logged if "has been traced" in line]
losses = [line.partition("loss: ")[2] for line in logged if ": epoch" in line and "loss: " in line]

start = load_file(folder / "bert" / "model.safetensors")
off = weights("off")
numbers = {
    "moved": max(float(np.abs(off["backbone." + name] - start[name]).max()) for name in start),
    "difference": difference(off, weights("static")),
    "metrics": [expected, found], "traces": traces, "losses": losses,
}

if mode == "replicas":
    class StopAt8(tf.keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            if int(self.model.optimizer.iterations.numpy()) == 8:
                raise Interrupted(signal.SIGTERM)

    stop_if_asked, callbacks.StopIfAsked = callbacks.StopIfAsked, StopAt8
    broken = static_config.replace(output_dir=folder / "broken", evaluation="never")
    try:
        run.train(broken)
    except Interrupted:
        numbers["checkpoints"] = sorted(path.name for path in (folder / "broken" / "checkpoints").glob("ckpt-*"))
    callbacks.StopIfAsked = stop_if_asked
    run.train(broken)
    numbers["continued"] = difference(weights("broken"), weights("static"))

loaded = load_model(folder / "off")
strategy = run.make_strategy(*(("tpu", "local") if mode == "replicas" else ("off",)))
scores = []
source = DataSource('files', folder / 'tasks')
settings = InferenceSettings(7, strategy=strategy)
with settings.scope():
    predictor = Predictor(load_model(folder / "off").model, settings)
ordinary = Predictor(loaded.model)
for task in loaded.tasks:
    encoded = EncodedData(source, loaded.tokenizer, length, config.data.cache_dir).split(task, "train")
    found = predictor.predict(encoded)
    scores.append(float(np.abs(found - ordinary.predict(encoded)).max()))
    scores.append(float(np.abs(found[[3, 1, 20]] - predictor.predict(encoded, np.array([3, 1, 20]))).max()))
compiled = predictor.inference
numbers["scoring traces"] = [
    compiled.encode.experimental_get_tracing_count(),
    [head.experimental_get_tracing_count() for head in compiled.heads.values()],
]
numbers["scores"] = max(scores)
numbers["where"] = sorted(((float(np.abs(off[n] - weights("static")[n]).max()), n) for n in off), reverse=True)[:4]
print(json.dumps(numbers))
"""


def _train(folder, mode, length):
    result = subprocess.run(
        [sys.executable, "-c", RUNS, folder, mode, str(length)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=400,
        env={**os.environ, "XLA_FLAGS": XLA_FLAGS},
    )
    # A crash of the compiler's is a negative status.
    assert result.returncode == 0, f"status {result.returncode}: {result.stderr[-2000:]}"
    return json.loads(result.stdout.splitlines()[-1])


def _check(numbers, buckets):
    assert numbers["difference"] < 1e-5 < numbers["moved"]
    assert numbers["scores"] < 1e-5
    expected, found = numbers["metrics"]
    assert found.keys() == expected.keys() == {"mood", "entailment", "similarity"}
    for task, values in expected.items():
        assert found[task] == pytest.approx(values, abs=1e-4)
    # Of each length one for four steps in a call and one for a step alone.
    assert [int(line.split()[6]) for line in numbers["traces"]][-1] <= 2 * buckets
    # Of each epoch, one mean for each task.
    assert {line.count(",") for line in numbers["losses"]} == {2}
    encoder_traces, head_traces = numbers["scoring traces"]
    assert encoder_traces <= buckets
    assert max(head_traces) <= buckets


def test_a_training_that_xla_compiles_ends_with_the_weights_of_the_ordinary_one(tmp_path):
    _check(_train(tmp_path, "compiled", 16), buckets=1)


@pytest.mark.slow
def test_each_length_has_a_program_of_its_own(tmp_path):
    _check(_train(tmp_path, "compiled", 24), buckets=2)


@pytest.mark.slow
def test_replicas_as_those_of_a_tpu_end_with_the_weights_of_one_device_also_if_stopped(tmp_path):
    numbers = _train(tmp_path, "replicas", 24)
    _check(numbers, buckets=2)
    assert "ckpt-8" in numbers["checkpoints"]
    assert numbers["continued"] == 0.0
