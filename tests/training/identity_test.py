"""A run is not continued, nor taken for finished, with other development data than it was evaluated on."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from mtdnn_tf.errors import UserError
from mtdnn_tf.modeling.checkpoints.model_folder import model_fingerprint
from mtdnn_tf.training.config import TrainingConfig
from mtdnn_tf.training.identity import begun_with, check_finished, check_identity, write_identity
from mtdnn_tf.training.run import train
from tests.helpers import write_tasks


@pytest.fixture(name="config", scope="module")
def _trained(tmp_path_factory: pytest.TempPathFactory) -> TrainingConfig:
    folder = tmp_path_factory.mktemp("identity")
    config = TrainingConfig.build(
        output_dir=folder / "run",
        data_dir=folder,
        cache_dir=folder / "cache",
        task_file=(write_tasks(folder / "tasks"),),
        tasks=("mood", "similarity"),
        max_sequence_length=32,
        backbone="tiny",
        epochs=1,
        batch_size=8,
    )
    train(config)
    return config


def _identity(config: TrainingConfig) -> dict[str, object]:
    identity: dict[str, object] = json.loads((config.output_dir / "config.json").read_text())
    return identity


@pytest.fixture(name="changed")
def _changed(config: TrainingConfig, tmp_path: Path) -> TrainingConfig:
    """The same training in copies of its folders, one row of one development split with another word."""
    for name in ("run", "tasks"):
        shutil.copytree(config.data.data_dir / name, tmp_path / name)
    path = tmp_path / "tasks" / "mood_validation.tsv"
    content = path.read_text()
    path.write_text(content.replace("cat", "dog", 1))
    assert path.read_text() != content
    task_file = (tmp_path / "tasks" / "tasks.yaml",)
    return config.replace(output_dir=tmp_path / "run", task_file=task_file, cache_dir=tmp_path / "cache")


@pytest.mark.parametrize("finished", [True, False])
def test_changed_development_data_are_noticed(config: TrainingConfig, changed: TrainingConfig, finished: bool) -> None:
    if not finished:
        shutil.rmtree(changed.output_dir / "model")
    before = {path: path.stat().st_mtime_ns for path in changed.output_dir.rglob("*")}
    key = _identity(config)["development_data"]["mood/validation"]  # type: ignore[index]
    line = (
        rf"`output_dir` {changed.output_dir}: holds a run that differs \(development_data: "
        rf"\{{'mood/validation': '{key}'\}} before, \{{'mood/validation': '[0-9a-f]{{64}}'\}} now\); give another"
    )
    with pytest.raises(UserError, match=line):
        train(changed)
    assert {path: path.stat().st_mtime_ns for path in changed.output_dir.rglob("*")} == before


def test_the_same_data_elsewhere_are_accepted(config: TrainingConfig, changed: TrainingConfig) -> None:
    shutil.copy(config.data.data_dir / "tasks" / "mood_validation.tsv", changed.data.task_file[0].parent)
    assert train(changed) == train(config)


def test_a_run_that_evaluates_nothing_is_accepted_and_keeps_what_it_was_evaluated_on(
    config: TrainingConfig, changed: TrainingConfig
) -> None:
    shutil.rmtree(changed.output_dir / "model")
    train(changed.replace(evaluation="never"))
    assert _identity(changed)["development_data"] == _identity(config)["development_data"]
    assert not list(changed.data.cache_dir.glob("mood/validation-*"))
    with pytest.raises(UserError, match="development_data"):
        train(changed)


def test_a_run_of_an_older_version_is_accepted_and_remembers_from_then_on(tmp_path: Path) -> None:
    config = TrainingConfig.build(output_dir=tmp_path)
    old = {**config.decisive_fields(), "data": {"mood": "1"}}
    (tmp_path / "config.json").write_text(json.dumps(old))
    new = {**old, "development_data": {"mood/validation": "2"}}
    check_identity(tmp_path, new)
    write_identity(tmp_path, new)
    check_identity(tmp_path, new)
    with pytest.raises(UserError, match=r"development_data: \{'mood/validation': '2'\} before, \{.*'3'\} now"):
        check_identity(tmp_path, {**new, "development_data": {"mood/validation": "3"}})
    with pytest.raises(UserError, match=r"\(data: \{'mood': '1'\} before, \{'mood': '4'\} now\)"):
        check_identity(tmp_path, {**new, "data": {"mood": "4"}})


def test_a_run_keeps_the_number_of_parallel_parts_that_it_was_begun_with(tmp_path: Path) -> None:
    config = TrainingConfig.build(output_dir=tmp_path)
    assert begun_with(config).optimization.parallel_parts == config.parts_on_this_machine()
    old = {key: value for key, value in config.decisive_fields().items() if key != "parallel_parts"}
    (tmp_path / "config.json").write_text(json.dumps(old))
    check_identity(tmp_path, {**old, "parallel_parts": 3})
    write_identity(tmp_path, {**old, "parallel_parts": 3})
    assert begun_with(config).optimization.parallel_parts == 3
    with pytest.raises(UserError, match=r"\(parallel_parts: 3 before, 2 now\)"):
        check_identity(tmp_path, begun_with(config.replace(parallel_parts=2)).decisive_fields())
    mirrored = begun_with(config.replace(strategy="mirrored")).decisive_fields()
    with pytest.raises(UserError, match=r"\(parallel_parts: 3 before, 1 now; strategy: off before, mirrored now\)"):
        check_identity(tmp_path, mirrored)


def test_a_continued_run_keeps_the_order_of_fields(tmp_path: Path) -> None:
    identity = {"seed": 1, "development_data": {"mood": "a"}, "tasks": ["mood"]}
    write_identity(tmp_path, identity)
    before = (tmp_path / "config.json").read_bytes()
    write_identity(tmp_path, identity)
    assert (tmp_path / "config.json").read_bytes() == before


def test_class_weights_are_part_of_the_identity_where_there_are_some(
    config: TrainingConfig, changed: TrainingConfig
) -> None:
    assert "class_weights" not in _identity(config)
    path = changed.data.task_file[0]
    path.write_text(
        path.read_text().replace("    labels: [bad, good]\n", "    labels: [bad, good]\n    class_weights: [1, 3]\n")
    )
    assert "class_weights" in path.read_text()
    with pytest.raises(UserError, match=r"class_weights: None before, \{'mood': \[1.0, 3.0\]\} now"):
        train(changed.replace(evaluation="never"))
    weighted = changed.replace(evaluation="never", output_dir=changed.output_dir.parent / "weighted")
    train(weighted)
    assert _identity(weighted)["class_weights"] == {"mood": [1.0, 3.0]}
    assert model_fingerprint(weighted.output_dir) != model_fingerprint(config.output_dir)
    # Continuing reads the weights from JSON.
    train(weighted)


@pytest.mark.parametrize("finished", [True, False])
@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("dropout: 0.3", r"task_dropout: \{'mood': 0.1\} before, \{'mood': 0.3\} now"),
        ("head: linear", r"task_head: \{'mood': 'auto'\} before, \{'mood': 'linear'\} now"),
        ("class_weights: balanced", r"class_weights: None before, \{'mood': 'balanced'\} now"),
    ],
)
def test_a_task_file_that_would_give_other_weights_is_noticed(
    config: TrainingConfig, changed: TrainingConfig, finished: bool, line: str, message: str
) -> None:
    if not finished:
        shutil.rmtree(changed.output_dir / "model")
    path = changed.data.task_file[0]
    path.write_text(path.read_text().replace("    labels: [bad, good]\n", f"    labels: [bad, good]\n    {line}\n"))
    shutil.copy(config.data.data_dir / "tasks" / "mood_validation.tsv", path.parent)
    with pytest.raises(UserError, match=message):
        check_finished(changed) if finished else train(changed)


def test_a_run_that_has_no_record_of_heads_and_dropout_is_continued(tmp_path: Path) -> None:
    config = TrainingConfig.build(output_dir=tmp_path)
    write_identity(tmp_path, config.decisive_fields())
    check_identity(tmp_path, {**config.decisive_fields(), "task_dropout": {"mood": 0.3}, "task_head": {"mood": "san"}})
