import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from mtdnn_tf.errors import UserError
from mtdnn_tf.evaluation.ensembles.scoring import Scoring, score
from mtdnn_tf.files import sha256_of_file
from mtdnn_tf.modeling.checkpoints.model_folder import load_model
from mtdnn_tf.tasks.registry import select_tasks
from mtdnn_tf.training.config import TrainingConfig
from mtdnn_tf.training.run import check_trained, train

ROOT = Path(__file__).parents[2]


def _weights(run: Path) -> str:
    return sha256_of_file(run / "model" / "weights.safetensors")


def test_a_run_learns_and_leaves_what_the_next_steps_need(config):
    metrics = train(config)
    assert metrics.keys() == {"mood", "entailment", "similarity"}
    written = json.loads((config.output_dir / "metrics" / "validation.json").read_text())
    assert {name: values for name, values in written.items() if name != "_sha256"} == metrics
    assert (config.output_dir / "metrics" / "epoch_001.json").is_file()
    loaded = load_model(config.output_dir)
    assert [task.name for task in loaded.tasks] == ["mood", "entailment", "similarity"]
    assert loaded.fingerprint == _weights(config.output_dir)
    assert list((config.output_dir / "logs").rglob("events.*"))
    assert not (config.output_dir / "checkpoints").exists()


def test_the_same_flags_give_the_same_weights_and_another_seed_others(config):
    runs = {}
    for name, seed in (("one", 0), ("again", 0), ("other", 1)):
        folder = config.output_dir / name
        train(config.replace(output_dir=folder, seed=seed, epochs=1, evaluation="never"))
        runs[name] = _weights(folder)
    assert runs["one"] == runs["again"] != runs["other"]


def test_a_finished_run_is_not_trained_again_and_other_settings_are_refused(config):
    first = train(config)
    written = (config.output_dir / "model" / "weights.safetensors").stat().st_mtime_ns
    assert train(config.replace(checkpoint_interval=7)) == first
    assert (config.output_dir / "model" / "weights.safetensors").stat().st_mtime_ns == written
    with pytest.raises(UserError, match=r"differs \(epochs: 2 before, 3 now; learning_rate: 0.01 before, 0.02 now\)"):
        train(config.replace(epochs=3, learning_rate=0.02))


def test_a_finished_run_is_checked_by_options_and_data_without_loading_them(config, tmp_path):
    first = train(config.replace(epochs=1))
    rows = tmp_path / "tasks" / "mood_train.tsv"
    content = rows.read_bytes()
    rows.write_bytes(content + content.splitlines(keepends=True)[-1])
    with pytest.raises(
        UserError, match=r"differs \(data: \{'mood': '[0-9a-f]+'\} before, \{'mood': '[0-9a-f]+'\} now\)"
    ):
        check_trained(config.replace(epochs=1))
    rows.write_bytes(content)
    for path in (tmp_path / "tasks" / "mood_train.tsv", tmp_path / "bert" / "model.safetensors"):
        path.unlink()
    (config.output_dir / "checkpoints").mkdir()
    assert check_trained(config.replace(epochs=1)) == first
    assert not (config.output_dir / "checkpoints").exists()
    with pytest.raises(UserError, match=r"differs \(epochs: 1 before, 2 now; tasks: .* before, \['mood'\] now\)"):
        check_trained(config.replace(tasks=("mood",)))


def test_a_student_learns_from_soft_targets_and_the_other_tasks_from_gold(config, tmp_path):
    teacher = config.replace(output_dir=tmp_path / "teacher", epochs=1, evaluation="never")
    train(teacher)
    tasks = select_tasks(["entailment"], config.data.task_file)
    score(Scoring([teacher.output_dir], tasks, "train", config.data.task_data(), tmp_path / "soft"))
    student = config.replace(soft_targets=(tmp_path / "soft",), distill_weight=1.0, evaluation="never")
    train(student)
    plain = config.replace(output_dir=tmp_path / "plain", evaluation="never")
    train(plain)
    assert _weights(student.output_dir) != _weights(plain.output_dir)
    assert "entailment" in json.loads((student.output_dir / "config.json").read_text())["soft_targets"]


def test_init_from_starts_with_the_encoder_of_another_run(config, tmp_path):
    train(config.replace(evaluation="never"))
    again = config.replace(
        output_dir=tmp_path / "again",
        init_from=str(config.output_dir),
        tasks=("mood",),
        epochs=1,
        learning_rate=1e-12,
        evaluation="never",
    )
    train(again)
    first, second = (
        load_file(folder / "model" / "weights.safetensors") for folder in (config.output_dir, again.output_dir)
    )
    for name, array in second.items():
        if name.startswith("backbone."):
            np.testing.assert_allclose(array, first[name], atol=1e-6)
    assert not any(name.startswith("heads.entailment") for name in second)


def test_the_flagfile_repeats_the_run(config):
    train(config.replace(evaluation="never", epochs=1))
    code = (
        "import sys; from absl import flags; from mtdnn_tf.flags.training import training_config; import json;"
        "flags.FLAGS(['x', '--flagfile=' + sys.argv[1]]); print(repr(training_config()))"
    )
    printed = subprocess.run(
        [sys.executable, "-c", code, config.output_dir / "config.flags"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.strip()
    assert printed == repr(config.replace(evaluation="never", epochs=1, parallel_parts=1))


def _command(config: TrainingConfig, folder: Path) -> list[str]:
    flags = config.replace(output_dir=folder).to_flagfile().split()
    return [sys.executable, "-m", "tools.train", *flags]


def test_a_run_ends_with_the_same_weights_on_other_cores_and_threads(config, tmp_path):
    config = config.replace(epochs=12, checkpoint_interval=20, evaluation="never")
    begun = config.replace(parallel_parts=2)
    whole, stopped = tmp_path / "whole", tmp_path / "stopped"
    subprocess.run(_command(begun, whole), cwd=ROOT, check=True, stderr=subprocess.DEVNULL)
    process = subprocess.Popen(_command(begun, stopped), cwd=ROOT, stderr=subprocess.DEVNULL)
    while not list((stopped / "checkpoints").glob("ckpt-*")) and process.poll() is None:
        time.sleep(0.1)
    process.kill()
    process.wait()
    assert not (stopped / "model").exists()
    with pytest.raises(UserError, match="parallel_parts: 2 before, 1 now"):
        train(config.replace(output_dir=stopped, parallel_parts=1))
    core = {min(os.sched_getaffinity(0))}
    subprocess.run(
        _command(config, stopped),
        cwd=ROOT,
        check=True,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "TF_NUM_INTRAOP_THREADS": "3"},
        preexec_fn=lambda: os.sched_setaffinity(0, core),
    )
    assert _weights(stopped) == _weights(whole)
    assert "--parallel_parts=2\n" in (stopped / "config.flags").read_text()


def _kill_at_random_moments(config: TrainingConfig, kills: int, seed: int) -> None:
    """Kills runs until `kills` are dead, continuing each, and compares their weights with an uninterrupted run's."""
    whole, folder = config.output_dir / "whole", config.output_dir / "killed-0"
    started = time.monotonic()
    subprocess.run(_command(config, whole), cwd=ROOT, check=True, stderr=subprocess.DEVNULL)
    duration = time.monotonic() - started
    moments = random.Random(seed)
    dead = finished = 0
    while dead < kills:
        process = subprocess.Popen(_command(config, folder), cwd=ROOT, stderr=subprocess.DEVNULL)
        try:
            # Importing TensorFlow is a third of the time, and nothing can be lost in it.
            assert process.wait(moments.uniform(0.3, 1.0) * duration) == 0
        except subprocess.TimeoutExpired:
            os.kill(process.pid, signal.SIGKILL)
            process.wait()
            dead += 1
            continue
        assert _weights(folder) == _weights(whole)
        finished += 1
        folder = config.output_dir / f"killed-{finished}"
    subprocess.run(_command(config, folder), cwd=ROOT, check=True, stderr=subprocess.DEVNULL)
    assert _weights(folder) == _weights(whole)


def test_a_killed_run_ends_with_the_same_weights(config):
    _kill_at_random_moments(config.replace(epochs=30, checkpoint_interval=20), kills=2, seed=1)


@pytest.mark.slow
def test_runs_killed_at_10_moments_end_with_the_same_weights(config):
    _kill_at_random_moments(config.replace(epochs=30, checkpoint_interval=20), kills=10, seed=2)
