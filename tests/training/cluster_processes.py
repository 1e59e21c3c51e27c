"""Trainings of several processes, each with its own TF_CONFIG."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

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
    split_cpu(int(sys.argv[5]))
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


def write_inputs(folder):
    """Writes what the trainings read: tasks of 39 rows and a small encoder."""
    write_huggingface_folder(folder / "bert")
    task_file = write_tasks(folder / "tasks", rows=39)
    task_file.write_text(task_file.read_text().replace("    files:", "    dropout: 0.0\n    files:"))


def start(folder, output, strategy="multi_worker", tf_config=None, cpus=2, prefix=()):
    """Starts a training behind `prefix`, on `cpus` logical CPUs if it is mirrored."""
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
    if tf_config is not None:
        environment["TF_CONFIG"] = tf_config if isinstance(tf_config, str) else json.dumps(tf_config)
    return subprocess.Popen(
        [*prefix, sys.executable, "-c", TRAINING, folder, output, strategy, str(EPOCHS), str(cpus)],
        cwd=Path(__file__).parents[2],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def wait_for_checkpoint(output, processes, timeout=300):
    """Waits until a run has a complete checkpoint while none of its processes has ended."""
    deadline = time.monotonic() + timeout
    while not list((output / "checkpoints").glob("ckpt-*/manifest.json")) and time.monotonic() < deadline:
        assert all(process.poll() is None for process in processes)
        time.sleep(0.05)


def clusters(hosts, tasks):
    """Returns a TF_CONFIG per task, of the form (job, index), in the order of their hosts."""
    cluster: dict[str, list[str]] = {}
    for (job, _), host in zip(tasks, hosts):
        cluster.setdefault(job, []).append(host)
    return [{"cluster": cluster, "task": {"type": job, "index": index}} for job, index in tasks]


def finish(process, timeout=300):
    try:
        output, errors = process.communicate(timeout=timeout)
    finally:
        process.kill()
    return process.returncode, output, errors
