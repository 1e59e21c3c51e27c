from __future__ import annotations

import dataclasses
import json
from typing import Any

import pytest

from mtdnn_tf.errors import UserError
from mtdnn_tf.json_files import from_json, to_json
from mtdnn_tf.tasks.registry import get_task, task_names
from mtdnn_tf.tasks.task import SplitFile, Task, TfdsData

# A task in which no field has its default, but the one that goes with a ranking.
_FULL = Task(
    name="full",
    kind="classification",
    text=("a", "b"),
    labels=("yes", "no"),
    metrics=("accuracy", "f1"),
    head="linear",
    dropout=0.25,
    files={"train": SplitFile("t.csv", ("a", "b", "c"), "c", True, ("b", "a"), False)},
    tfds=TfdsData("glue/rte", ("x", "y"), "gold", (("y", "yes"), ("n", "no")), None),
    file_labels=("1", "0"),
    skip_labels=("-",),
    id="hash",
    evaluation_splits=("dev", "other"),
    head_of="mnli",
    head_labels=(("entailment", "yes"), ("neutral", "no"), ("contradiction", "no")),
    submission={"test": "Full"},
    submission_labels=("Y", "N"),
    submission_rows={"test": 3},
    class_weights=(1.5, 0.5),
)
_RANKING = Task("answers", "ranking", ("question", "answer"), ("no", "yes"), ("mrr",), group="question_id")


@pytest.mark.parametrize("task", [_FULL, _RANKING, *map(get_task, task_names())], ids=lambda task: task.name)
def test_a_task_round_trips_through_json_text(task: Task):
    again = from_json(json.loads(json.dumps(to_json(task))), Task, "task")
    assert again == task
    for field in dataclasses.fields(Task):
        assert repr(getattr(again, field.name)) == repr(getattr(task, field.name)).replace("mappingproxy({})", "{}")


def test_the_example_of_this_test_leaves_no_field_at_its_default():
    for value, made in ((_FULL, Task), (_FULL.files["train"], SplitFile), (_FULL.tfds, TfdsData)):
        for field in dataclasses.fields(made):
            if field.default is not dataclasses.MISSING and field.name != "group":
                assert getattr(value, field.name) != field.default, field.name


def test_fields_that_an_older_version_did_not_write_take_their_defaults():
    value = {"name": "old", "kind": "regression", "text": ["a"], "metrics": ["pearson"]}
    assert from_json(value, Task, "old") == Task(name="old", kind="regression", text=("a",), metrics=("pearson",))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"drop_out": 0.1}, "task: unknown field 'drop_out'; did you mean 'dropout'"),
        ({"text": "premise"}, "task.text must be a list, got 'premise'"),
        ({"dropout": "0.1"}, "task.dropout must be a finite number, got '0.1'"),
        ({"files": {"train": {}}}, "task.files.train: field 'path' is missing"),
        ({"files": {"train": {"path": "a.tsv", "colums": []}}}, "did you mean 'columns'"),
        ({"files": {"train": "a.tsv"}}, "task.files.train must be an object, got 'a.tsv'"),
        ({"files": []}, "task.files must be an object"),
        ({"tfds": {"name": "glue/rte"}}, "task.tfds: field 'text' is missing"),
        ({"head_labels": [["a", "b", "c"]]}, r"task.head_labels\[0\] must be a list of 2, got"),
        ({"kind": "clasification"}, "task: unknown kind of task full 'clasification'; did you mean 'classification'"),
    ],
)
def test_damaged_json_is_refused(change: dict[str, Any], message: str):
    with pytest.raises(UserError, match=message):
        from_json({**to_json(_FULL), **change}, Task, "task")
    with pytest.raises(UserError, match="task must be an object"):
        from_json([], Task, "task")


def test_class_weights_are_left_out_where_there_are_none():
    plain = dataclasses.replace(_FULL, class_weights=())
    assert to_json(_FULL) == {**to_json(plain), "class_weights": [1.5, 0.5]}
    assert from_json({**to_json(plain), "class_weights": "balanced"}, Task, "task").class_weights == "balanced"
