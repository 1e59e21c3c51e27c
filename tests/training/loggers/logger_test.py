"""Losses and development scores as TensorBoard, MLflow and Weights & Biases read them."""

from __future__ import annotations

import json
import logging
import math
import shutil
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tensorboard.backend.event_processing.event_accumulator import TENSORS, EventAccumulator
from tensorboard.util.tensor_util import make_ndarray

from mtdnn_tf.errors import UserError
from mtdnn_tf.training.config import CheckpointOptions
from mtdnn_tf.training.loggers.logger import LOGGERS, Loggers, LogLosses, open_loggers
from mtdnn_tf.training.run import read_metrics, train

LOSS, SCORE = "mood/loss", "mood/accuracy"


@pytest.fixture(name="offline", autouse=True)
def _offline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", (tmp_path / "mlflow").as_uri())
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "moods")
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_SILENT", "true")


def _in_tensorboard(logs: Path, part: str, tag: str) -> list[tuple[int, float]]:
    events = EventAccumulator(str(logs / part), size_guidance={TENSORS: 0})
    events.Reload()
    return [(event.step, float(make_ndarray(event.tensor_proto))) for event in events.Tensors(tag)]


def _mlflow_client() -> Any:
    return pytest.importorskip("mlflow", reason="has no version for this Python").MlflowClient()


def _mlflow_run() -> Any:
    client = _mlflow_client()
    (run,) = client.search_runs([client.get_experiment_by_name("moods").experiment_id])
    return run


def _in_mlflow(tag: str) -> list[tuple[int, float]]:
    return [(point.step, point.value) for point in _mlflow_client().get_metric_history(_mlflow_run().info.run_id, tag)]


def _in_wandb(logs: Path) -> list[tuple[str, list[dict[str, Any]]]]:
    """Returns, of each time that a run was opened, its id and the values logged."""
    pytest.importorskip("wandb")
    from wandb.proto.wandb_internal_pb2 import Record
    from wandb.sdk.internal.datastore import DataStore

    found = []
    for path in sorted(logs.glob("wandb/offline-run-*/*.wandb")):
        store, rows, name = DataStore(), [], ""
        store.open_for_scan(str(path))
        while data := store.scan_data():
            record = Record.FromString(data)
            name = record.run.run_id or name
            items = {".".join(item.nested_key) or item.key: item.value_json for item in record.history.item}
            if items:
                rows.append({key: json.loads(value) for key, value in items.items()})
        found.append((name, rows))
    return found


def test_tensorboard_reads_a_tag_for_each_task_and_metric(tmp_path):
    with open_loggers(["tensorboard"], tmp_path / "logs", tmp_path / "run", CheckpointOptions()) as loggers:
        loggers.log("validation", 1, {"rte/accuracy": 0.5, "mnli/validation/accuracy": 0.25})
        loggers.log("validation", 2, {"rte/accuracy": math.nan, "mnli/validation/accuracy": 0.75})
    assert _in_tensorboard(tmp_path / "logs", "validation", "mnli/validation/accuracy") == [(1, 0.25), (2, 0.75)]
    points = _in_tensorboard(tmp_path / "logs", "validation", "rte/accuracy")
    assert points[0] == (1, 0.5) and math.isnan(points[1][1])


def test_all_show_the_losses_and_development_scores_of_a_training(config):
    client = _mlflow_client()
    train(config.replace(tasks=("mood",), loggers=LOGGERS))
    logs = config.output_dir / "logs"
    losses, scores = _in_tensorboard(logs, "train", LOSS), _in_tensorboard(logs, "validation", SCORE)
    assert [epoch for epoch, _ in losses] == [epoch for epoch, _ in scores] == [1, 2]
    assert scores[-1][1] == pytest.approx(read_metrics(config.output_dir)["mood"]["accuracy"])
    assert losses[0][1] > 0

    np.testing.assert_allclose(_in_mlflow(f"train/{LOSS}"), losses)
    np.testing.assert_allclose(_in_mlflow(f"validation/{SCORE}"), scores)
    run = _mlflow_run()
    assert (run.info.status, run.info.run_name) == ("FINISHED", "/".join(config.output_dir.parts[-2:]))
    assert run.data.params["learning_rate"] == "0.01" and run.data.params["tasks"] == "('mood',)"
    assert client.get_run(run.info.run_id).data.metrics["train/gradient_norm"] > 0

    ((_, rows),) = _in_wandb(logs)
    by_epoch = {(row["epoch"], key): value for row in rows for key, value in row.items()}
    np.testing.assert_allclose([(epoch, by_epoch[epoch, f"train/{LOSS}"]) for epoch in (1, 2)], losses)
    np.testing.assert_allclose([(epoch, by_epoch[epoch, f"validation/{SCORE}"]) for epoch in (1, 2)], scores)


def test_a_continued_training_goes_on_in_its_runs(tmp_path):
    _mlflow_client()
    for epoch in (1, 2):
        with open_loggers(["mlflow", "wandb"], tmp_path / "logs", tmp_path / "run", CheckpointOptions()) as loggers:
            loggers.log("train", epoch, {LOSS: 1 / epoch})
    assert _in_mlflow(f"train/{LOSS}") == [(1, 1.0), (2, 0.5)]
    (first, second) = _in_wandb(tmp_path / "logs")
    assert first[0] == second[0] and second[1][0][f"train/{LOSS}"] == 0.5


def test_runs_of_the_users_own_stay_active(tmp_path):
    _mlflow_client()
    import mlflow
    import wandb

    with mlflow.start_run() as run, wandb.init(dir=tmp_path) as other:
        with open_loggers(["mlflow", "wandb"], tmp_path / "logs", tmp_path / "run", CheckpointOptions()) as loggers:
            loggers.log("train", 1, {LOSS: 1.0})
        assert mlflow.active_run().info.run_id == run.info.run_id
        other.log({"own": 1.0})
    assert _in_wandb(tmp_path / "logs")[0][0] != other.id


def test_a_server_that_does_not_answer_is_one_line(tmp_path, monkeypatch):
    _mlflow_client()
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with pytest.raises(UserError, match=r"^logger mlflow: .*127\.0\.0\.1") as refused:  # noqa: SIM117
        with open_loggers(["mlflow"], tmp_path / "logs", tmp_path / "run", CheckpointOptions()):
            pass
    assert "\n" not in str(refused.value)


def test_a_logger_that_fails_is_left_out_and_the_others_go_on(tmp_path, caplog):
    _mlflow_client()
    with open_loggers(["mlflow", "tensorboard"], tmp_path / "logs", tmp_path / "run", CheckpointOptions()) as loggers:
        loggers.log("train", 1, {LOSS: 1.0})
        shutil.rmtree(tmp_path / "mlflow")
        with caplog.at_level(logging.WARNING, "absl"):
            loggers.log("train", 2, {LOSS: 0.5})
            loggers.log("train", 3, {LOSS: 0.25})
    (line,) = [record.getMessage() for record in caplog.records if "logger" in record.getMessage()]
    assert line.startswith("logger mlflow ends, the training goes on: ")
    assert [value for _, value in _in_tensorboard(tmp_path / "logs", "train", LOSS)] == [1.0, 0.5, 0.25]


def test_losses_are_logged_by_number_of_epochs():
    class Kept:
        def __init__(self) -> None:
            self.values: list[Any] = []

        def log(self, *values: Any) -> None:
            self.values.append(values)

        def close(self) -> None:
            pass

    kept = Kept()
    LogLosses(Loggers({"kept": kept})).on_epoch_end(0, {LOSS: 2.0})
    assert kept.values == [("train", 1, {LOSS: 2.0})]


def test_unknown_loggers_and_missing_packages_are_refused(monkeypatch):
    with pytest.raises(UserError, match="unknown `loggers` 'mlfow'; did you mean 'mlflow'"):
        CheckpointOptions(loggers=("mlfow",))
    monkeypatch.setitem(sys.modules, "mlflow", None)
    with pytest.raises(UserError, match=r"logger mlflow needs its package: pip install 'mtdnn_tf\[mlflow\]'"):
        CheckpointOptions(loggers=("tensorboard", "mlflow"))
    assert CheckpointOptions(loggers=()).loggers == ()
