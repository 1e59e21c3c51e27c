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
    files={"train": SplitFile("t.csv", ("a", "b", "c"), "c", True, ("b", "a"), False, True)},
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

_WEIGHTED = Task("weighted", "regression", ("text",), (), ("pearson",), weight="importance")


@pytest.mark.parametrize("task", [_FULL, _RANKING, _WEIGHTED, *map(get_task, task_names())], ids=lambda task: task.name)
def test_a_task_round_trips_through_json_text(task: Task):
    again = from_json(json.loads(json.dumps(to_json(task))), Task, "task")
    assert again == task
    for field in dataclasses.fields(Task):
        assert repr(getattr(again, field.name)) == repr(getattr(task, field.name)).replace("mappingproxy({})", "{}")


def test_the_example_of_this_test_leaves_no_field_at_its_default():
    for value, made in ((_FULL, Task), (_FULL.files["train"], SplitFile), (_FULL.tfds, TfdsData)):
        for field in dataclasses.fields(made):
            if field.default is not dataclasses.MISSING and field.name not in ("group", "weight"):
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


_PAIR = Task("pair", "classification", ("a", "b"), ("no", "yes"), ("accuracy",), files={"train": SplitFile("t.tsv")})
_SINGLE = dataclasses.replace(_PAIR, text=("a",))
_SPELLED = dataclasses.replace(_PAIR, file_labels=("0", "1"))
_LIST = dataclasses.replace(_RANKING, group=None)
_DIAGNOSTIC = dataclasses.replace(_PAIR, name="other", head_of="pair", files={})


@pytest.mark.parametrize(
    ("trained", "change", "expected"),
    [
        # What changes the meaning.
        (_PAIR, {"text": ("a",)}, ["text [a] instead of [a, b]"]),
        (_PAIR, {"text": ("b", "a")}, ["text [b, a] instead of [a, b]"]),
        (_PAIR, {"text": ("a", "c")}, ["text [a, c] instead of [a, b]"]),
        (_SINGLE, {"text": ("a", "b")}, ["text [a, b] instead of [a]"]),
        (_SINGLE, {"text": ("b",)}, ["text [b] instead of [a]"]),
        (_PAIR, {"labels": ("yes", "no")}, ["labels [yes, no] instead of [no, yes]"]),
        (_PAIR, {"labels": ("no", "maybe", "yes")}, ["labels [no, maybe, yes] instead of [no, yes]"]),
        (_PAIR, {"kind": "ranking", "metrics": ("map",)}, ["kind ranking instead of classification"]),
        (_PAIR, {"files": {"train": SplitFile("t.tsv", label="gold")}}, ["label gold instead of label"]),
        (_SPELLED, {"file_labels": ("1", "0")}, ["file_labels [1, 0] instead of [0, 1]"]),
        (_LIST, {"group": "number"}, ["group number instead of question"]),
        (_RANKING, {"group": None}, ["group question instead of question_id"]),
        (_RANKING, {"group": "other"}, ["group other instead of question_id"]),
        (
            _LIST,
            {"text": ("answer", "question")},
            ["text [answer, question] instead of [question, answer]", "group answer instead of question"],
        ),
        # What does not.
        (_PAIR, {}, []),
        (_PAIR, {"metrics": ("f1",), "dropout": 0.5, "head": "san", "class_weights": "balanced", "weight": "w"}, []),
        (_PAIR, {"id": "hash", "evaluation_splits": ("dev",), "skip_labels": ("-",)}, []),
        (_PAIR, {"files": {"train": SplitFile("t.csv", ("x", "b", "a", "label"), text=("x", "y"))}}, []),
        (_PAIR, {"files": {"dev": SplitFile("t.csv", label="gold")}}, []),
        (_SPELLED, {"file_labels": ("n", "y")}, []),
        (_SPELLED, {"file_labels": ()}, []),
        (_LIST, {"group": "question"}, []),
    ],
)
def test_a_task_that_differs_from_a_trained_one(trained: Task, change: dict[str, Any], expected: list[str]):
    assert dataclasses.replace(trained, **change).differences(trained) == expected


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({}, []),
        ({"text": ("premise", "hypothesis")}, []),
        ({"text": ("b", "a")}, ["text [b, a] instead of [a, b]"]),
        ({"text": ("a",)}, ["text [a] instead of [a, b]"]),
        ({"files": {"train": SplitFile("x.tsv", label="gold")}}, []),
        ({"labels": ("yes", "no")}, ["labels [yes, no] instead of [no, yes]"]),
        ({"labels": ("n", "y"), "head_labels": (("no", "n"), ("yes", "y"))}, []),
    ],
)
def test_a_task_that_another_tasks_head_answers(change: dict[str, Any], expected: list[str]):
    assert dataclasses.replace(_DIAGNOSTIC, **change).differences(_PAIR) == expected


def test_a_files_texts_are_as_many_as_the_tasks():
    with pytest.raises(UserError, match=r"task pair: text of the train file must be 2 column\(s\), got 1"):
        dataclasses.replace(_PAIR, files={"train": SplitFile("t.tsv", text=("a",))})
