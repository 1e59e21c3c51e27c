from __future__ import annotations

from pathlib import Path

import pytest

from mtdnn_tf.data.sources.tables import read_rows
from mtdnn_tf.errors import UserError
from mtdnn_tf.tasks.task import SplitFile, Task
from mtdnn_tf.tasks.task_file import FILE_ENDINGS, load_task_file

_INTENT = """\
tasks:
  intent:
    kind: classification
    text: [utterance]
    label: intent
    labels: [yes, no, 3]
    metrics: [accuracy, f1_macro]
    head: linear
    dropout: 0.2
    id: number
    files: {train: data/train.tsv, validation: dev.csv, test: /data/test.jsonl}
  similarity:
    kind: regression
    text: [first, second]
    label: score
    files:
      train: train.tsv
      dev: dev.tsv
    evaluation_splits: [dev]
"""


def _load(folder: Path, content: str) -> list[Task]:
    path = folder / "tasks.yaml"
    path.write_text(content)
    return load_task_file(path)


def test_tasks_are_read(tmp_path: Path):
    folder = tmp_path.resolve()
    intent = Task(
        name="intent",
        kind="classification",
        text=("utterance",),
        labels=("yes", "no", "3"),
        metrics=("accuracy", "f1_macro"),
        head="linear",
        dropout=0.2,
        files={
            "train": SplitFile(f"{folder}/data/train.tsv", label="intent"),
            "validation": SplitFile(f"{folder}/dev.csv", label="intent"),
            "test": SplitFile("/data/test.jsonl", label="intent", label_required=False),
        },
        id="number",
    )
    similarity = Task(
        name="similarity",
        kind="regression",
        text=("first", "second"),
        metrics=("pearson", "spearman"),
        files={
            "train": SplitFile(f"{folder}/train.tsv", label="score"),
            "dev": SplitFile(f"{folder}/dev.tsv", label="score"),
        },
        id="hash",
        evaluation_splits=("dev",),
    )
    assert _load(tmp_path, _INTENT) == [intent, similarity]


@pytest.mark.parametrize(
    ("old", "new", "line", "message"),
    [
        ("tasks:", "task:", 1, "unknown key 'task'; did you mean 'tasks'? Accepted: tasks"),
        ("    dropout: 0.2", "    droput: 0.2", 9, "key of task intent 'droput'; did you mean 'dropout'?"),
        ("classification", "clasification", 3, "unknown kind of task intent 'clasification'; did you mean"),
        ("classification", "ranking", 7, "metric of ranking task intent 'accuracy'; did you mean 'accuracy_at_1'"),
        ("dropout: 0.2", "group: utterance", 2, "group goes with a ranking, kind classification given"),
        ("    kind: classification\n", "", 2, "task intent lacks `kind:`"),
        ("    label: intent\n", "", 2, "task intent lacks `label:`"),
        ("label: intent", "label: utterance", 5, "both text and label"),
        ("[utterance]", "utterance", 4, "text of task intent takes a list of one or more"),
        ("[utterance]", "[a, b, c]", 2, "text takes one or two columns, 3 given"),
        ("[yes, no, 3]", "[yes, no, yes]", 6, "'yes' is given twice in labels of task intent"),
        ("[yes, no, 3]", "[yes]", 2, "labels takes two or more different names"),
        ("[yes, no, 3]", "{yes: no}", 6, "takes a list"),
        ("f1_macro", "f1_makro", 7, "metric of classification task intent 'f1_makro'; did you mean 'f1_m"),
        ("f1_macro", "f1", 2, "metric f1 takes two labels, 3 given"),
        ("head: linear", "head: san", 2, "head san takes two texts and labels"),
        ("head: linear", "head: liner", 8, "did you mean 'linear'?"),
        ("dropout: 0.2", "dropout: 1.5", 2, "dropout takes a number from 0 to below 1, 1.5 given"),
        ("dropout: 0.2", "dropout: nan", 2, "dropout takes a number from 0 to below 1"),
        ("dropout: 0.2", "dropout: 0.2\n    dropout: 0.3", 10, "'dropout' is given twice in task intent"),
        ("dev.csv", "dev.tsw", 11, "did you mean '.tsv'? Accepted: .csv, .jsonl, .tsv"),
        ("dev.csv", "[dev.csv]", 11, "takes text, a list given"),
        ("validation:", "dev-1:", 11, "split 'dev-1' of task intent is not accepted"),
        ("train.tsv\n      dev", "train.tsv\n      train", 18, "'train' is given twice"),
        ("  intent:", "  Intent:", 2, "task name 'Intent' is not accepted"),
        ("  similarity:", "  intent:", 12, "'intent' is given twice in tasks"),
        ("[dev]", "[validation]", 19, "unknown evaluation split of task similarity 'validation'"),
        ("kind: regression", "kind: regression\n    labels: [a, b]", 12, "a regression task takes no labels"),
    ],
)  # fmt: skip
def test_mistakes_are_told_in_one_line_with_their_place(tmp_path: Path, old: str, new: str, line: int, message: str):
    assert old in _INTENT
    with pytest.raises(UserError) as caught:
        _load(tmp_path, _INTENT.replace(old, new, 1))
    assert message in str(caught.value)
    assert str(caught.value).startswith(f"{tmp_path}/tasks.yaml:{line}: ")
    assert "\n" not in str(caught.value)


_ANSWERS = """\
tasks:
  answers:
    kind: ranking
    text: [question, sentence]
    label: relevant
    files: {train: train.tsv, validation: dev.tsv}
"""


def test_a_ranking_task_is_read(tmp_path: Path):
    (task,) = _load(tmp_path, _ANSWERS)
    assert (task.kind, task.labels, task.metrics) == ("ranking", ("0", "1"), ("mrr", "map", "accuracy_at_1"))
    assert (task.group, task.num_outputs) == (None, 1)
    (named,) = _load(tmp_path, _ANSWERS.replace("    label:", "    group: number\n    labels: [no, yes]\n    label:"))
    assert (named.group, named.labels) == ("number", ("no", "yes"))


@pytest.mark.parametrize(
    ("old", "new", "line", "message"),
    [
        ("[question, sentence]", "[question]", 2, "a ranking takes two texts, query and candidate; 1 given"),
        ("label: relevant", "label: relevant\n    group: relevant", 6, "both group and label"),
        ("label: relevant", "label: relevant\n    labels: [a, b, c]", 2, "labels of a ranking takes two names"),
        ("label: relevant", "label: relevant\n    metrics: [mmr]", 6, "did you mean 'mrr'?"),
        ("label: relevant", "label: relevant\n    head: san", 2, "head san takes two texts and labels"),
        ("kind: ranking", "kind: rankin", 3, "did you mean 'ranking'?"),
    ],
)
def test_mistakes_of_a_ranking_are_told(tmp_path: Path, old: str, new: str, line: int, message: str):
    with pytest.raises(UserError) as caught:
        _load(tmp_path, _ANSWERS.replace(old, new, 1))
    assert message in str(caught.value)
    assert str(caught.value).startswith(f"{tmp_path}/tasks.yaml:{line}: ")


@pytest.mark.parametrize("content", ["", "tasks:\n", "tasks: {}\n", "tasks: []\n", "tasks: {a: b}\n", "{}\n"])
def test_a_file_without_a_task_is_refused(tmp_path: Path, content: str):
    with pytest.raises(UserError, match=r"^[^\n]*tasks.yaml"):
        _load(tmp_path, content)


def test_endings_are_those_that_can_be_read(tmp_path: Path):
    with pytest.raises(UserError) as caught:
        read_rows(tmp_path / "a.txt", [])
    assert str(caught.value).endswith(f"Accepted: {', '.join(FILE_ENDINGS)}")


@pytest.mark.parametrize(
    ("given", "weights"),
    [
        ("balanced", "balanced"),
        ("[1, 2.5, 0.5]", (1.0, 2.5, 0.5)),
        ("{no: 2.5, yes: 1, '3': 0.5}", (1.0, 2.5, 0.5)),
    ],
)
def test_class_weights_are_a_word_a_list_or_numbers_by_label(tmp_path: Path, given: str, weights: object):
    intent, similarity = _load(tmp_path, _INTENT.replace("    head: linear", f"    class_weights: {given}"))
    assert (intent.class_weights, similarity.class_weights) == (weights, ())


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("even", "tasks.yaml:2: unknown class_weights of task intent 'even'. Accepted: balanced"),
        ("[1, 2]", "tasks.yaml:2: task intent: class_weights must be 'balanced' or 3 numbers above 0"),
        ("[1, 2, x]", "tasks.yaml:8: class_weights of task intent takes a number, 'x' given"),
        ("{yes: 1, no: 1}", "tasks.yaml:8: class_weights of task intent must have a number for label '3'"),
        ("{yes: 1, no: 1, 4: 1}", "tasks.yaml:8: unknown label in class_weights of task intent '4'"),
    ],
)
def test_other_class_weights_are_refused_with_their_line(tmp_path: Path, given: str, message: str):
    with pytest.raises(UserError) as error:
        _load(tmp_path, _INTENT.replace("    head: linear", f"    class_weights: {given}"))
    assert message in str(error.value)
