from __future__ import annotations

from pathlib import Path

import pytest

from mtdnn_tf.data.sources.tables import read_rows
from mtdnn_tf.errors import UserError
from mtdnn_tf.tasks.file_formats import ENDINGS
from mtdnn_tf.tasks.task import SplitFile, Task, TfdsData
from mtdnn_tf.tasks.task_file import load_task_file

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


def _check_refused(folder: Path, declaration: str, old: str, new: str, line: int, message: str) -> None:
    assert old in declaration
    with pytest.raises(UserError) as caught:
        _load(folder, declaration.replace(old, new, 1))
    assert message in str(caught.value)
    assert str(caught.value).startswith(f"{folder}/tasks.yaml:{line}: ")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("old", "new", "line", "message"),
    [
        ("tasks:", "task:", 1, "unknown key of the file 'task'; did you mean 'tasks'? Accepted: tasks"),
        ("    dropout: 0.2", "    droput: 0.2", 9, "key of task intent 'droput'; did you mean 'dropout'?"),
        ("classification", "clasification", 3, "unknown kind of task intent 'clasification'; did you mean"),
        ("classification", "ranking", 7, "unknown metrics of task intent 'accuracy'; did you mean 'accuracy_at_1'"),
        ("dropout: 0.2", "group: utterance", 2, "group needs kind ranking, got kind classification"),
        ("dropout: 0.2", "weight: utterance", 9, "weight of task intent must be another column than texts and label"),
        ("dropout: 0.2", "weight: intent", 9, "weight of task intent must be another column than texts and label"),
        ("    kind: classification\n", "", 2, "task intent must have `kind:`, got text, label"),
        ("    label: intent\n", "", 2, "task intent must have `label:`, got kind, text"),
        ("label: intent", "label: utterance", 5, "label of task intent must be another column than the texts"),
        ("[utterance]", "utterance", 4, "text of task intent must be a list of one or more"),
        ("[utterance]", "[a, b, c]", 2, "text must be one or two columns, got 3"),
        ("[yes, no, 3]", "[yes, no, yes]", 6, "duplicate 'yes' in labels of task intent"),
        ("[yes, no, 3]", "[yes]", 2, "labels must be two or more different names"),
        ("[yes, no, 3]", "{yes: no}", 6, "must be a list"),
        ("f1_macro", "f1_makro", 7, "unknown metrics of task intent 'f1_makro'; did you mean 'f1_m"),
        ("f1_macro", "f1", 2, "metric f1 needs two labels, got 3"),
        ("head: linear", "head: san", 2, "head san needs two texts and labels"),
        ("head: linear", "head: liner", 8, "did you mean 'linear'?"),
        ("dropout: 0.2", "dropout: 1.5", 2, "dropout must be a number from 0 to below 1, got 1.5"),
        ("dropout: 0.2", "dropout: nan", 2, "dropout must be a number from 0 to below 1"),
        ("dropout: 0.2", "dropout: 0.2\n    dropout: 0.3", 10, "duplicate 'dropout' in task intent"),
        ("dev.csv", "dev.tsw", 11, "did you mean '.tsv'? Accepted: .csv, .csv.gz, .jsonl, "),
        ("dev.csv", "[dev.csv]", 11, "must be `name: value` pairs, got a list"),
        ("validation:", "dev-1:", 2, "not starting with a digit, got 'dev-1'"),
        ("train.tsv\n      dev", "train.tsv\n      train", 18, "duplicate 'train'"),
        ("  intent:", "  Intent:", 2, "starting with a letter, got 'Intent'"),
        ("  similarity:", "  intent:", 12, "duplicate 'intent' in tasks"),
        ("[dev]", "[validation]", 19, "unknown evaluation_splits of task similarity 'validation'"),
        ("kind: regression", "kind: regression\n    labels: [a, b]", 12, "labels must be left out for a regression"),
    ],
)  # fmt: skip
def test_mistakes_are_told_in_one_line_with_their_place(tmp_path: Path, old: str, new: str, line: int, message: str):
    _check_refused(tmp_path, _INTENT, old, new, line, message)


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
        ("[question, sentence]", "[question]", 2, "text of a ranking must be two columns, query and candidate, got 1"),
        (
            "label: relevant",
            "label: relevant\n    group: relevant",
            6,
            "must be another column than the label",
        ),
        (
            "label: relevant",
            "label: relevant\n    labels: [a, b, c]",
            2,
            "labels must be two names, the second for relevant",
        ),
        ("label: relevant", "label: relevant\n    metrics: [mmr]", 6, "did you mean 'mrr'?"),
        ("label: relevant", "label: relevant\n    head: san", 2, "head san needs two texts and labels"),
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
    assert str(caught.value).endswith(f"Accepted: {', '.join(sorted(ENDINGS))}")


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
        ("[1, 2]", "tasks.yaml:2: task intent: class_weights must have one value for each of 3 labels, got 2"),
        ("[1, 2, x]", "tasks.yaml:8: class_weights of task intent must be a number, got 'x'"),
        ("{yes: 1, no: 1}", "tasks.yaml:8: class_weights of task intent must have `3:`, got yes, no"),
        ("{yes: 1, no: 1, 4: 1}", "tasks.yaml:8: unknown key of class_weights of task intent '4'"),
    ],
)
def test_other_class_weights_are_refused_with_their_line(tmp_path: Path, given: str, message: str):
    with pytest.raises(UserError) as error:
        _load(tmp_path, _INTENT.replace("    head: linear", f"    class_weights: {given}"))
    assert message in str(error.value)


_WHOLE = """\
tasks:
  diagnosis:
    kind: classification
    text: [premise, hypothesis]
    label: gold
    labels: [yes, no]
    file_labels: {no: "0", yes: "1"}
    skip_labels: ["-"]
    head_of: mnli
    head_labels: {entailment: yes, neutral: no, contradiction: no}
    evaluation_splits: [dev]
    tfds: {name: glue/ax, text: [premise, hypothesis], label: gold, labels: {y: yes}, id: null}
    files:
      train: {path: a.tsv, columns: [premise, hypothesis, gold], skip_incomplete_rows: true}
      dev: {path: b.jsonl, text: [p, h], label: answer}
      test: {path: c.csv, label: null}
      more: {path: d.csv, label_required: true}
"""


def test_every_field_of_a_task_can_be_declared(tmp_path: Path):
    folder = tmp_path.resolve()
    (task,) = _load(tmp_path, _WHOLE)
    assert task == Task(
        name="diagnosis",
        kind="classification",
        text=("premise", "hypothesis"),
        labels=("yes", "no"),
        metrics=("accuracy",),
        files={
            "train": SplitFile(f"{folder}/a.tsv", ("premise", "hypothesis", "gold"), "gold", True),
            "dev": SplitFile(f"{folder}/b.jsonl", label="answer", text=("p", "h")),
            "test": SplitFile(f"{folder}/c.csv", label=None),
            "more": SplitFile(f"{folder}/d.csv", label="gold"),
        },
        tfds=TfdsData("glue/ax", ("premise", "hypothesis"), "gold", (("y", "yes"),), None),
        file_labels=("1", "0"),
        skip_labels=("-",),
        id="hash",
        evaluation_splits=("dev",),
        head_of="mnli",
        head_labels=(("entailment", "yes"), ("neutral", "no"), ("contradiction", "no")),
    )


@pytest.mark.parametrize(
    ("old", "new", "line", "message"),
    [
        ("path: a.tsv", "file: a.tsv", 14, "unknown key of train of files of task diagnosis 'file'"),
        ("path: b.jsonl, ", "", 15, "dev of files of task diagnosis must have `path:`"),
        ("c.csv", "c.txt", 16, "unknown ending of a file of task diagnosis '.txt'"),
        ("skip_incomplete_rows: true", "skip_incomplete_rows: yes", 14, "must be true or false, got 'yes'"),
        ("name: glue/ax", "name: a:b", 12, "data set of TensorFlow Datasets 'a:b' is not accepted"),
        ("name: glue/ax, ", "", 12, "tfds of task diagnosis must have `name:`"),
        ('{no: "0", yes: "1"}', '["1"]', 2, "file_labels must have one value for each of 2 labels, got 1"),
        ('{no: "0", yes: "1"}', "same", 7, "file_labels of task diagnosis must be a list"),
        ("head_of: mnli\n", "group: null\n", 2, "head_labels must name each of its labels, and needs head_of"),
    ],
)
def test_mistakes_in_files_and_other_sources_are_refused(tmp_path: Path, old: str, new: str, line: int, message: str):
    _check_refused(tmp_path, _WHOLE, old, new, line, message)


@pytest.mark.parametrize(
    "path", ["a.tsv.gz", "a.parquet", "shards", "shards/", "shards/part-*", '"*/part-?.jsonl.gz"', "saved.v2"]
)
def test_files_may_be_compressed_or_several(tmp_path: Path, path: str):
    (tmp_path / "saved.v2").mkdir()
    (task,) = _load(tmp_path, _WHOLE.replace("{path: d.csv, label_required: true}", f"{{path: {path}, quoting: true}}"))
    path = path.strip('"').rstrip("/")
    assert task.files["more"] == SplitFile(
        f"{tmp_path.resolve()}/{path}", label="gold", label_required=False, quoting=True
    )


@pytest.mark.parametrize("path", ["a.gz", "a.txt.gz", "a.txt", "none.v2"])
def test_other_endings_are_refused(tmp_path: Path, path: str):
    with pytest.raises(UserError, match="unknown ending of a file of task diagnosis"):
        _load(tmp_path, _WHOLE.replace("path: d.csv", f"path: {path}"))
