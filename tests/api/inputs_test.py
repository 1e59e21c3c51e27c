from __future__ import annotations

import pytest

from mtdnn_tf.api.inputs import task_options
from mtdnn_tf.api.tasks import Classification
from mtdnn_tf.errors import UserError
from mtdnn_tf.tasks.registry import select_tasks

INTENT = Classification("intent", "utterance", ["book", "cancel"], evaluation_splits=["dev"])
ROWS = {"utterance": ["a room", "no room"], "label": ["book", "cancel"]}


def test_a_declared_task_becomes_a_task_file(tmp_path):
    options = task_options(INTENT, {"intent": {"train": ROWS, "dev": ROWS}}, tmp_path)
    assert list(options) == ["task_file"]
    (task,) = select_tasks((), options["task_file"])
    assert (task.name, task.kind, task.labels) == ("intent", "classification", ("book", "cancel"))
    assert set(task.files) == {"train", "dev"} and task.evaluation_splits == ("dev",)


def test_the_same_tables_are_the_same_file(tmp_path):
    first = task_options(INTENT, {"intent": ROWS}, tmp_path)
    assert task_options([INTENT], {"intent": {"train": ROWS}}, tmp_path) == first
    assert task_options(INTENT, {"intent": {**ROWS, "utterance": ["b", "c"]}}, tmp_path) != first


def test_task_files_and_built_in_tasks_are_passed_on(tmp_path):
    assert task_options("rte", None, tmp_path) == {"tasks": ("rte",)}
    assert task_options("own.yaml", None, tmp_path)["task_file"][0].name == "own.yaml"
    mixed = task_options(["rte", tmp_path / "own.yaml", INTENT], {"intent": ROWS}, tmp_path)
    assert mixed["tasks"] == ("rte", "intent") and len(mixed["task_file"]) == 2


def test_splits_that_are_evaluated_need_labels(tmp_path):
    texts = {"utterance": ["a"]}
    task_options(INTENT, {"intent": {"train": ROWS, "validation": texts}}, tmp_path)
    with pytest.raises(UserError, match="split dev: column 'label' is missing"):
        task_options(INTENT, {"intent": {"train": ROWS, "dev": texts}}, tmp_path)


def test_a_single_table_is_of_the_split_that_is_read(tmp_path):
    texts = {"utterance": ["a"]}
    (task,) = select_tasks((), task_options(INTENT, {"intent": texts}, tmp_path, "unlabelled")["task_file"])
    assert set(task.files) == {"unlabelled"}
    with pytest.raises(UserError, match="must have a 'test' table for task 'intent', got dev"):
        task_options(INTENT, {"intent": {"dev": ROWS}}, tmp_path, "test")
