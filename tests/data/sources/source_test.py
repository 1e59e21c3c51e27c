from __future__ import annotations

import dataclasses
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


def test_a_stream_has_the_examples_of_a_list_but_for_repeated_hashes(tmp_path: Path):
    (tmp_path / "train.csv").write_text("text,score\na,1\nb,2\na,3\n")
    source = DataSource("files", tmp_path)
    stream = source.stream(_TASK, "train")
    assert next(stream) == Example("0", "a", label=1.0)
    assert list(stream) == source.read(_TASK, "train")[1:]
    assert not source.streams_hashes(_TASK)
    hashed = dataclasses.replace(_TASK, id="hash")
    assert source.streams_hashes(hashed)
    streamed = [example.example_id for example in source.stream(hashed, "train")]
    read = [example.example_id for example in source.read(hashed, "train")]
    assert read == [*streamed[:2], f"{streamed[0]}-2"]
    assert streamed[2] == streamed[0]


@pytest.mark.parametrize("task_id", ["row", "hash"])
def test_examples_are_found_by_id(tmp_path: Path, task_id: str):
    (tmp_path / "train.csv").write_text("text,score\na,1\nb,2\na,3\nc,4\na,5\n")
    source, task = DataSource("files", tmp_path), dataclasses.replace(_TASK, id=task_id)
    chosen = {example.example_id: example for example in source.read(task, "train")[2:4]}
    assert [example.text_a for example in chosen.values()] == ["a", "c"]
    assert source.find(task, "train", set(chosen)) == chosen
    assert source.find(task, "train", {"none"}) == {}


def test_duplicate_ids_of_a_stream_are_refused_with_their_places(tmp_path: Path):
    (tmp_path / "train.csv").write_text("text,score\na,1\nb,2\na,3\nb,4\nc,5\n")
    source, task = DataSource("files", tmp_path), dataclasses.replace(_TASK, id="text")
    assert [example.example_id for example in source.stream(task, "train")] == list("ababc"[:2]) + list("abc")
    for ids, message in (
        (["b", "a"], ":4: duplicate id 'a', also at .*:2"),
        (["b"], ":5: duplicate id 'b', also at .*:3"),
    ):
        with pytest.raises(UserError, match=f"train.csv{message}; ids must be unique"):
            source.refuse_duplicates(task, "train", ids)


def test_an_empty_split_is_refused(tmp_path: Path):
    (tmp_path / "train.csv").write_text("text,score\n")
    with pytest.raises(UserError, match=r"train.csv: no example of task mine; a split must have one or more"):
        DataSource("files", tmp_path).read(_TASK, "train")
    with pytest.raises(UserError, match=r"train.csv: no example of task mine"):
        next(DataSource("files", tmp_path).stream(_TASK, "train"))


def test_an_unknown_source_is_refused(tmp_path: Path):
    with pytest.raises(UserError, match=r"unknown data source 'file'; did you mean 'files'\? Accepted: files, tfds"):
        DataSource("file", tmp_path)


def test_data_that_are_not_there_are_refused(tmp_path: Path):
    for kind in ("files", "tfds"):
        source = DataSource(kind, tmp_path)
        for read in (source.read, source.fingerprint):
            with pytest.raises(UserError, match=str(tmp_path)):
                read(get_task("rte"), "train")
