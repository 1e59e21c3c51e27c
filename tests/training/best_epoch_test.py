"""The best epoch by development scores is kept, and a run ends for lack of a better one."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import tensorflow as tf

from mtdnn_tf.errors import UserError
from mtdnn_tf.evaluation.predictor import InferenceSettings
from mtdnn_tf.evaluation.runs import predict_with_runs
from mtdnn_tf.files import sha256_of_file
from mtdnn_tf.json_files import read_json, write_checked_json
from mtdnn_tf.training.best_epoch import BestEpoch, epoch_metrics, read_kept_epoch
from mtdnn_tf.training.config import TrainingConfig
from mtdnn_tf.training.run import read_metrics, train

ROOT = Path(__file__).parents[2]
SCORES = [0.2, 0.5, 0.4, 0.5, 0.6]


@pytest.fixture(name="evaluated")
def _evaluated(tmp_path: Path) -> Path:
    for epoch, score in enumerate(SCORES, start=1):
        metrics = {"mood": {"accuracy": score}, "nli": {"accuracy": 1 - score, "f1": 0.0}}
        write_checked_json(epoch_metrics(tmp_path, epoch), metrics)
    return tmp_path


@pytest.mark.parametrize(
    ("tasks", "epochs"),
    [
        (["mood"], [1, 2, 2, 2, 5]),
        (["nli"], [1, 1, 1, 1, 1]),
        (["mood", "nli"], [1, 2, 2, 2, 5]),  # (s + (1 - s) / 2) / 2 rises with s.
        (["all"], [1, 2, 2, 2, 5]),
    ],
)
def test_the_first_of_the_best_epochs_is_found(evaluated, tasks, epochs):
    best = BestEpoch(evaluated, tasks, ["mood", "nli"])
    assert [best.until(epoch).epoch for epoch in range(1, 6)] == epochs
    assert best.until(5).epochs == 5


@pytest.mark.parametrize(("patience", "ends"), [(1, [3, 4]), (2, [4]), (3, []), (None, [])])
def test_patience_counts_epochs_without_a_better_one(evaluated, patience, ends):
    best = BestEpoch(evaluated, ["mood"], ["mood", "nli"], patience)
    assert [epoch for epoch in range(1, 6) if best.ends_at(best.until(epoch))] == ends


@pytest.mark.parametrize(
    ("tasks", "results", "message"),
    [
        (["modo"], ["mood"], "unknown `keep_best_by` 'modo'; did you mean 'mood'[?] Accepted: all, mood"),
        (["all"], [], "`keep_best_by` needs tasks with development rows, got none"),
    ],
)
def test_tasks_without_scores_are_refused(tmp_path, tasks, results, message):
    with pytest.raises(UserError, match=message):
        BestEpoch(tmp_path, tasks, results)


@pytest.fixture(name="config")
def _config(config: TrainingConfig) -> TrainingConfig:
    return config.replace(tasks=("mood",), epochs=6, batch_size=4, learning_rate=0.03, keep_best_by=("all",))


def _scores(run: Path) -> list[float]:
    files = sorted((run / "metrics").glob("epoch_*.json"))
    return [sum(read_json(path)["mood"].values()) / len(read_json(path)["mood"]) for path in files]


def test_the_model_is_that_of_the_best_epoch_and_its_metrics_are_reported(config, tmp_path):
    metrics = train(config)
    kept, scores = read_kept_epoch(config.output_dir), _scores(config.output_dir)
    assert kept is not None and len(scores) == kept.epochs == 6
    assert kept.epoch == scores.index(max(scores)) + 1
    assert metrics == read_metrics(config.output_dir)
    assert kept.score == pytest.approx(max(scores))
    data = config.data
    found = predict_with_runs([config.output_dir], data.selected_tasks(), [], data.task_data(), InferenceSettings())
    assert found["mood"].metrics() == metrics["mood"]
    command = [sys.executable, "-m", "tools.evaluate", f"--run={config.output_dir}"]
    printed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert f"{config.output_dir} keeps epoch {kept.epoch} of 6, the best by the development scores of mood" in printed
    assert not (config.output_dir / "best_model").exists()
    assert not (config.output_dir / "checkpoints").exists()


def test_a_run_without_patience_left_ends_early_and_again_the_same(config):
    impatient = config.replace(patience=1)
    train(impatient)
    kept = read_kept_epoch(config.output_dir)
    assert kept is not None and kept.epochs == kept.epoch + 1 < 6
    weights = sha256_of_file(config.output_dir / "model" / "weights.safetensors")
    # As after a kill between the model and its record: everything but the evaluations is made again.
    shutil.rmtree(config.output_dir / "model")
    train(impatient)
    assert sha256_of_file(config.output_dir / "model" / "weights.safetensors") == weights
    assert read_kept_epoch(config.output_dir) == kept


class _Stop(tf.keras.callbacks.Callback):
    """Ends a training in the middle of an epoch, from 0."""

    def __init__(self, epoch: int) -> None:
        super().__init__()
        self._epoch = epoch
        self._now = -1

    def on_epoch_begin(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        self._now = epoch

    def on_train_batch_end(self, batch: int, logs: dict[str, float] | None = None) -> None:
        if self._now == self._epoch and batch == 1:
            raise RuntimeError("stopped")


@pytest.mark.parametrize("epoch", range(1, 6))
def test_an_interrupted_run_keeps_the_same_epoch(config, epoch):
    whole = config.replace(output_dir=config.output_dir / "whole")
    interrupted = config.replace(output_dir=config.output_dir / "interrupted", checkpoint_interval=1000)
    train(whole)
    with pytest.raises(RuntimeError, match="stopped"):
        train(interrupted, callbacks=[_Stop(epoch)])
    train(interrupted)
    weights = [sha256_of_file(of.output_dir / "model" / "weights.safetensors") for of in (whole, interrupted)]
    assert weights[0] == weights[1]
    assert read_kept_epoch(interrupted.output_dir) == read_kept_epoch(whole.output_dir)


def test_a_run_that_keeps_its_best_epoch_is_another_run(config):
    train(config)
    with pytest.raises(UserError, match=r"differs \(keep_best_by"):
        train(config.replace(keep_best_by=()))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"keep_best_by": ("all",), "evaluation": "end"}, "`keep_best_by` needs `evaluation=every_epoch`, got end"),
        ({"patience": 2}, "`patience=2` needs `keep_best_by`, which is not given"),
        ({"keep_best_by": ("all",), "patience": 2, "strategy": "multi_worker"}, "`patience` needs a `strategy` of one"),
    ],
)
def test_options_that_do_not_go_together_are_refused(tmp_path, options, message):
    with pytest.raises(UserError, match=message):
        TrainingConfig.build(output_dir=tmp_path, **options)
