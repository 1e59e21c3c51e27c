from __future__ import annotations

import json
from pathlib import Path

import pytest

from mtdnn_tf.data.sources.example import Example
from mtdnn_tf.data.sources.source import DataSource
from mtdnn_tf.errors import UserError
from mtdnn_tf.tasks.registry import get_task
from mtdnn_tf.tasks.task import SplitFile, Task

_TASK = Task(
    name="mine",
    kind="regression",
    text=("text",),
    metrics=("pearson",),
    files={"train": SplitFile("train.csv", label="score"), "validation": SplitFile("dev.csv", label="score")},
)


@pytest.mark.parametrize("kind", ["files", "tfds"])
def test_a_task_that_is_not_in_tfds_is_read_from_its_files(tmp_path: Path, kind: str):
    (tmp_path / "train.csv").write_text("text,score\na,1\n")
    source = DataSource(kind, tmp_path)
    assert source.splits(_TASK) == ["train"]
    assert source.read(_TASK, "train") == [Example("0", "a", label=1.0)]
    fingerprint = source.fingerprint(_TASK, "train")
    assert fingerprint["kind"] == "files"
    assert json.loads(json.dumps(fingerprint)) == fingerprint


def test_an_empty_split_is_refused(tmp_path: Path):
    (tmp_path / "train.csv").write_text("text,score\n")
    with pytest.raises(UserError, match=r"train.csv: no example of task mine; a split must have one or more"):
        DataSource("files", tmp_path).read(_TASK, "train")


def test_an_unknown_source_is_refused(tmp_path: Path):
    with pytest.raises(UserError, match=r"unknown data source 'file'; did you mean 'files'\? Accepted: files, tfds"):
        DataSource("file", tmp_path)


def test_data_that_are_not_there_are_refused(tmp_path: Path):
    for kind in ("files", "tfds"):
        source = DataSource(kind, tmp_path)
        for read in (source.read, source.fingerprint):
            with pytest.raises(UserError, match=str(tmp_path)):
                read(get_task("rte"), "train")
