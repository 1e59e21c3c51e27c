"""What a run, encoded data and soft targets were made from decides whether they are used again, field by field."""

from __future__ import annotations

import dataclasses
import functools
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mtdnn_tf.data.encoding import EncodedData
from mtdnn_tf.data.sources.source import DataSource
from mtdnn_tf.data.word_pieces import WordPieceTokenizer
from mtdnn_tf.distillation.joining import join_soft_targets
from mtdnn_tf.distillation.soft_targets import read_soft_targets, write_soft_targets
from mtdnn_tf.errors import UserError
from mtdnn_tf.modeling.backbone import BackboneConfig
from mtdnn_tf.modeling.checkpoints.model_folder import ModelDescription, read_description
from mtdnn_tf.tasks.registry import get_task, select_tasks
from mtdnn_tf.tasks.task import SplitFile, Task
from mtdnn_tf.training.config import TrainingConfig
from mtdnn_tf.training.identity import check_identity
from tests.helpers import VOCABULARY, write_tasks

CONFIG = TrainingConfig.build(output_dir=Path("out"), tasks=("mood",))
_OTHERS: dict[str, Any] = {
    "tasks": ("mood", "similarity"),
    "init_from": "run",
    "student_layers": (1,),
    "student_dim": 8,
    "folds": 5,
    "held_out_fold": 1,
}
_MORE: dict[str, Any] = {
    "backbone_weights": "0",
    "backbone_config": {"num_layers": 3},
    "data": {"mood": "1"},
    "soft_targets": {"mood": "2"},
    "development_data": {"mood/validation": "4", "close/validation": "5"},
}


def _identity(config: TrainingConfig = CONFIG) -> dict[str, Any]:
    same = {"backbone_weights": "9", "backbone_config": {"num_layers": 2}, "data": {"mood": "7"}, "soft_targets": {}}
    development = {"mood/validation": "3", "close/validation": "5"}
    return json.loads(json.dumps({**config.decisive_fields(), **same, "development_data": development}))


@pytest.mark.parametrize("field", [*CONFIG.decisive_fields(), *_MORE])
def test_a_run_is_not_continued_with_another(tmp_path: Path, field: str) -> None:
    before = _identity()
    (tmp_path / "config.json").write_text(json.dumps(before), encoding="utf-8")
    check_identity(tmp_path, before)
    value = before[field]
    other = _MORE.get(field, _OTHERS.get(field))
    if other is None:
        other = not value if isinstance(value, bool) else [*value, "x"] if isinstance(value, list) else f"{value}x"
    with pytest.raises(UserError, match=f"holds a run that differs .{field}: .* before, .* now.;"):
        check_identity(tmp_path, {**before, field: other})


def test_places_alone_may_change(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps(_identity()), encoding="utf-8")
    changed: dict[str, Any] = {
        "output_dir": Path("o"),
        "data_dir": Path("d"),
        "cache_dir": Path("c"),
        "task_file": (Path("t"),),
    }
    changed.update(
        {"soft_targets": (Path("s"),), "backbone": "folder", "checkpoint_interval": 7, "keep_checkpoints": 9}
    )
    assert not {*changed} & {*CONFIG.decisive_fields()}
    check_identity(tmp_path, _identity(CONFIG.replace(**changed)))


TASK = Task(
    "mood",
    "classification",
    ("sentence",),
    ("bad", "good"),
    ("accuracy",),
    files={"train": SplitFile("mood_train.tsv", label="mood")},
)


# Encoding is traced once a tokenizer.
_tokenizer = functools.lru_cache(WordPieceTokenizer)


def _encode(
    folder: Path,
    cache: Path,
    task: Task = TASK,
    vocabulary: Any = tuple(VOCABULARY),
    lowercase: bool = True,
    length: int = 32,
) -> Any:
    return EncodedData(DataSource("files", folder), _tokenizer(vocabulary, lowercase), length, cache).split(
        task, "train"
    )


@pytest.mark.parametrize(
    "change",
    [
        {"vocabulary": (*VOCABULARY, "new")},
        {"lowercase": False},
        {"length": 31},
        {"task": dataclasses.replace(TASK, labels=("good", "bad"))},
        {"task": dataclasses.replace(TASK, file_labels=("bad", "good"))},
        {"task": dataclasses.replace(TASK, id="hash")},
        {"task": dataclasses.replace(TASK, skip_labels=("-",))},
        {"task": dataclasses.replace(TASK, text=("sentence", "sentence"))},
        {
            "task": dataclasses.replace(
                TASK, files={"train": SplitFile("mood_train.tsv", label="mood", skip_incomplete_rows=True)}
            )
        },
        {"data": ("cat", "dog")},
        {"data": ("good\n", "bad\n")},
    ],
    ids=lambda change: "-".join(change),
)
def test_encoded_data_of_other_inputs_are_not_used(tmp_path: Path, change: dict[str, Any]) -> None:
    write_tasks(tmp_path / "a", 12)
    before = _encode(tmp_path / "a", tmp_path / "cache")
    if "data" in change:
        path = tmp_path / "a" / "mood_train.tsv"
        old, new = change["data"]
        change = {}
        path.write_text(path.read_text().replace(old, new, 1))
    after = _encode(tmp_path / "a", tmp_path / "cache", **change)
    assert after.manifest["key"] != before.manifest["key"]
    # Under the other's name, they are refused.
    first, second = (tmp_path / "cache" / "mood" / f"train-{split.manifest['key'][:16]}" for split in (before, after))
    shutil.rmtree(second)
    first.rename(second)
    with pytest.raises(UserError, match=r"is expected|made from other inputs than its name says"):
        _encode(tmp_path / "a", tmp_path / "cache", **change)


def test_copied_data_and_a_moved_cache_are_accepted(tmp_path: Path) -> None:
    write_tasks(tmp_path / "a", 12)
    before = _encode(tmp_path / "a", tmp_path / "cache")
    shutil.move(tmp_path / "a", tmp_path / "b")
    shutil.move(tmp_path / "cache", tmp_path / "moved")
    after = _encode(tmp_path / "b", tmp_path / "moved")
    assert after.manifest == before.manifest
    assert len(list((tmp_path / "moved" / "mood").iterdir())) == 1


@pytest.mark.parametrize("field", ["task", "kind", "label_names", "split", "data_fingerprint"])
def test_soft_targets_of_another_are_refused(tmp_path: Path, field: str) -> None:
    write_tasks(tmp_path / "a", 12)
    encoded = _encode(tmp_path / "a", tmp_path / "cache")
    write_soft_targets(tmp_path / "soft", TASK, encoded, np.full((12, 2), 0.5, np.float32), [{"run": "r"}])
    shutil.move(tmp_path / "soft", tmp_path / "moved")
    targets = read_soft_targets(tmp_path / "moved")
    assert join_soft_targets(targets, TASK, encoded, np.arange(12)).shape == (12, 2)
    values = {
        "task": "other",
        "kind": "regression",
        "label_names": ["good", "bad"],
        "split": "test",
        "data_fingerprint": "0",
    }
    other = dataclasses.replace(targets, manifest={**targets.manifest, field: values[field]})
    with pytest.raises(
        UserError, match=f"another data set or task .{field}: soft targets .*, training .*; run mtdnn score"
    ):
        join_soft_targets(other, TASK, encoded, np.arange(12))


def test_a_model_folder_tells_no_place_of_the_machine(tmp_path: Path) -> None:
    tasks = select_tasks([], [write_tasks(tmp_path / "a", 12)])
    assert str(tmp_path) in tasks[0].files["train"].path
    config = BackboneConfig(20, 1, 2, 8, 8)
    text = json.dumps(ModelDescription(config, True, 32, tasks).to_json())
    assert str(tmp_path) not in text
    (tmp_path / "model.json").write_text(text, encoding="utf-8")
    read = read_description(tmp_path / "model.json", "copy it").tasks[0]
    assert [file.path for file in read.files.values()] == ["mood_train.tsv", "mood_validation.tsv", "mood_test.tsv"]


@pytest.mark.parametrize("folder", ["/data/x", "gs://bucket/x"])
def test_files_of_several_folders_stay_different(folder: str) -> None:
    files = {"train": SplitFile(f"{folder}/train/rows.tsv"), "validation": SplitFile(f"{folder}/dev/rows.tsv")}
    found = dataclasses.replace(TASK, files=files).portable().files
    assert {split: file.path for split, file in found.items()} == {
        "train": "train/rows.tsv",
        "validation": "dev/rows.tsv",
    }
    assert get_task("rte").portable() == get_task("rte")
