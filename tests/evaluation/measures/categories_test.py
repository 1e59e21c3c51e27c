from __future__ import annotations

import csv
import dataclasses
import json
import random
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, matthews_corrcoef

from mtdnn_tf.data.encoded_split import EncodedSplit
from mtdnn_tf.data.encoding import EncodedData
from mtdnn_tf.data.sources.files_source import read_file_examples
from mtdnn_tf.data.sources.source import DataSource
from mtdnn_tf.data.word_pieces import WordPieceTokenizer
from mtdnn_tf.errors import UserError
from mtdnn_tf.evaluation.measures.categories import category_metrics, category_table, read_categories
from mtdnn_tf.evaluation.predictor import Predictor
from mtdnn_tf.evaluation.runs import SplitPredictions
from mtdnn_tf.modeling.checkpoints.backbones import find_backbone
from mtdnn_tf.modeling.checkpoints.model_folder import save_model
from mtdnn_tf.modeling.multi_task_model import build_multi_task_model
from mtdnn_tf.tasks.registry import get_task
from mtdnn_tf.tasks.task import SplitFile, Task
from tests.helpers import random_texts
from tests.tools.binaries import Binaries

_TASK = Task(
    name="intent",
    kind="classification",
    text=("text",),
    labels=("no", "yes"),
    metrics=("accuracy", "matthews_correlation"),
    files={"test": SplitFile("test.tsv", label_required=False)},
    skip_labels=("?",),
)
# topic: a and b overlap, c has one row, d has one gold label; row 3 is skipped, row 8 has no gold label.
_ROWS = """\
number text label topic form
n0 cat yes a x
n1 dog no a;b -
n2 bird no b x
n3 cat ? a x
n4 cat no a; b;d x
n5 red yes c x
n6 blue no d -
n7 big yes - -
n8 cat  a x
n9 small yes b x
"""
_PREDICTED = [1, 0, 1, 1, 1, 0, 1, 1, 1]  # Of the rows that are not skipped.
_GOLD = [1, 0, 0, 0, 1, 0, 1, -1, 1]


def _write(folder: Path) -> DataSource:
    cells = [line.replace("a; b;d", "a;_b;d").split(" ") for line in _ROWS.splitlines()]
    lines = ["\t".join(row).replace("_", " ") + "\n" for row in cells]
    (folder / "test.tsv").write_text("".join(lines))
    return DataSource("files", folder)


def _predicted(task: Task, folder: Path) -> SplitPredictions:
    examples = read_file_examples(task, "test", folder)
    encoded = EncodedSplit(
        task=task,
        split="test",
        example_ids=[example.example_id for example in examples],
        token_ids=np.zeros(len(examples), np.int32),
        offsets=np.arange(len(examples) + 1),
        first_segment_lengths=np.ones(len(examples), np.int32),
        labels=np.array([-1 if example.label is None else example.label for example in examples], np.int32),
        data_fingerprint="",
        manifest={},
    )
    assert encoded.labels.tolist() == _GOLD
    return SplitPredictions(encoded, np.eye(2, dtype=np.float32)[_PREDICTED])


@pytest.mark.parametrize("example_id", ["row", "number", "hash"])
def test_metrics_of_each_category_by_hand(tmp_path, example_id):
    task, source = dataclasses.replace(_TASK, id=example_id), _write(tmp_path)
    found = category_metrics(_predicted(task, tmp_path), read_categories(task, "test", source, ["topic", "form"]))
    assert [(one.column, one.value, one.rows) for one in found] == [
        *[("topic", None, 7), ("topic", "a", 3), ("topic", "b", 4), ("topic", "c", 1), ("topic", "d", 2)],
        *[("form", None, 5), ("form", "x", 5)],
    ]
    by_value = {one.value: one for one in found if one.value}
    # a: n0 right, n1 right, n4 wrong; b: n1 and n9 right, n2 and n4 wrong.
    assert by_value["a"].metrics["accuracy"] == pytest.approx(2 / 3)
    assert by_value["a"].metrics["matthews_correlation"] == pytest.approx(matthews_corrcoef([1, 0, 0], [1, 0, 1]))
    assert by_value["b"].metrics["accuracy"] == pytest.approx(2 / 4)
    assert by_value["b"].metrics["matthews_correlation"] == pytest.approx(matthews_corrcoef([0, 0, 0, 1], [0, 1, 1, 1]))
    assert (by_value["c"].metrics, by_value["c"].note) == ({"accuracy": 1.0, "matthews_correlation": None}, "one row")
    assert by_value["d"].metrics["matthews_correlation"] is None
    assert by_value["d"].note == "gold is all alike"
    lines = category_table(found).splitlines()
    assert lines[0].split() == ["category", "rows", "accuracy", "matthews_correlation"]
    assert lines[2].split() == ["a", "3", "66.7", "50.0"]
    assert lines[4] == "  c" + " " * 10 + "1     100.0                     -  (one row)"


def test_what_cannot_be_read_is_refused(tmp_path):
    source = _write(tmp_path)
    with pytest.raises(UserError, match=r"test\.tsv:1: unknown column 'topics'; did you mean 'topic'"):
        read_categories(_TASK, "test", source, ["topics"])
    with pytest.raises(UserError, match="--by_category reads the file of task rte"):
        read_categories(get_task("rte"), "validation", DataSource("tfds", tmp_path), ["topic"])
    predicted = _predicted(_TASK, tmp_path)
    with pytest.raises(UserError, match="example '5' is not in the file"):
        category_metrics(predicted, {"topic": {str(row): () for row in range(5)}})


_LABELS = ("entailment", "not_entailment")


def _write_diagnostic_set(glue: Path, rows: int) -> list[dict[str, str]]:
    """Writes one set of pairs as GLUE's test file, with gold labels as SuperGLUE's, and in full."""
    generator = random.Random(0)
    texts = random_texts(2 * rows, seed=5)
    table = []
    for row in range(rows):
        logic = generator.choice(["-", "Negation", "Conditionals;Negation", "Universal"])
        label = "not_entailment" if logic == "Universal" else generator.choice(_LABELS)
        full = generator.choice(("neutral", "contradiction")) if label == "not_entailment" else label
        cells = {"index": str(row), "sentence1": texts[row], "sentence2": texts[rows + row]}
        table.append({**cells, "logic": logic, "knowledge": "-", "label": label, "full": full})
    (glue / "AX").mkdir(parents=True)
    columns = {
        "AX.tsv": {"index": "index", "sentence1": "sentence1", "sentence2": "sentence2"},
        "ax_b.tsv": {**{name: name for name in table[0] if name != "full"}},
        "diagnostic-full.tsv": {"logic": "Logic", "sentence1": "Premise", "sentence2": "Hypothesis", "full": "Label"},
    }
    for name, spelled in columns.items():
        lines = ["\t".join(spelled.values()), *("\t".join(row[column] for column in spelled) for row in table)]
        (glue / "AX" / name).write_text("".join(f"{line}\n" for line in lines))
    return table


def test_the_diagnostic_set_is_answered_by_mnlis_head_and_judged_by_category(tmp_path):
    table = _write_diagnostic_set(tmp_path, 60)
    pretrained, mnli = find_backbone("tiny"), get_task("mnli")
    model = build_multi_task_model(pretrained, [mnli], seed=0)
    generator = np.random.default_rng(3)
    model.set_weights([weight + generator.normal(0, 0.3, weight.shape) for weight in model.get_weights()])
    tokenizer = WordPieceTokenizer(pretrained.vocabulary, pretrained.lowercase)
    source = DataSource("files", tmp_path)
    answered = Predictor(model).predict(
        EncodedData(source, tokenizer, 60, tmp_path / "cache").split(get_task("ax"), "test")
    )
    # A bias that makes entailment as probable as not in half of the rows.
    bias = model.heads["mnli"].weights[1]
    bias.assign(bias - [np.median(np.log(answered[:, 0] / (1 - answered[:, 0]))), 0.0, 0.0])
    save_model(model, [mnli], tokenizer, 60, tmp_path / "run" / "model")
    shared = (f"--run={tmp_path / 'run'}", f"--data_dir={tmp_path}", f"--cache_dir={tmp_path / 'cache'}")

    binaries = Binaries()
    try:
        predicted = binaries.run("predict", *shared, "--tasks=ax", "--split=test", f"--output={tmp_path / 'ax.tsv'}")
        assert predicted.status == 0, predicted.stderr
        evaluate = ("evaluate", *shared, "--by_category=logic,knowledge", f"--output={tmp_path / 'ax_b.json'}")
        evaluated = binaries.run(*evaluate, "--tasks=ax_b", "--split=test")
        assert evaluated.status == 0, evaluated.stderr
        in_full = binaries.run("evaluate", *shared, "--tasks=ax", "--split=full", f"--output={tmp_path / 'full.json'}")
        assert in_full.status == 0, in_full.stderr
        unknown = binaries.run(*evaluate, "--tasks=ax_b", "--split=test", "--by_category=logik")
    finally:
        binaries.close()

    with (tmp_path / "ax.tsv").open(newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    entailed = [float(row["probability_entailment"]) for row in rows]
    others = [float(row["probability_neutral"]) + float(row["probability_contradiction"]) for row in rows]
    answers = [_LABELS[int(other > one)] for one, other in zip(entailed, others)]
    assert 20 < answers.count("entailment") < 40
    written = json.loads((tmp_path / "ax_b.json").read_text())
    expected = matthews_corrcoef([row["label"] for row in table], answers)
    assert written.keys() == {"ax_b/test", "_by_category"}
    assert written["ax_b/test"]["matthews_correlation"] == pytest.approx(expected)
    by_category = {(one["column"], one["value"]): one for one in written["_by_category"]["ax_b/test"]}
    assert list(by_category) == [
        *[("logic", None), ("logic", "Conditionals"), ("logic", "Negation"), ("logic", "Universal")],
        ("knowledge", None),
    ]
    for value in (None, "Conditionals", "Negation"):
        chosen = [at for at, row in enumerate(table) if (value or "") in row["logic"] and row["logic"] != "-"]
        expected = matthews_corrcoef([table[at]["label"] for at in chosen], [answers[at] for at in chosen])
        assert by_category["logic", value]["rows"] == len(chosen)
        assert by_category["logic", value]["metrics"]["matthews_correlation"] == pytest.approx(expected)
    assert by_category["logic", "Universal"]["metrics"] == {"matthews_correlation": None}
    assert by_category["knowledge", None] == {
        **{"column": "knowledge", "value": None, "rows": 0, "metrics": {"matthews_correlation": None}},
        "note": "no rows",
    }
    assert "gold is all alike" in evaluated.stdout
    assert "average" not in evaluated.stdout

    # Of three classes, Matthews correlation is R3.
    expected = matthews_corrcoef([row["full"] for row in table], [row["label"] for row in rows])
    assert json.loads((tmp_path / "full.json").read_text())["ax/full"]["matthews_correlation"] == pytest.approx(
        expected
    )
    assert accuracy_score([row["full"] for row in table], [row["label"] for row in rows]) < 1
    assert unknown.status == 1
    assert "unknown column 'logik'; did you mean 'logic'" in unknown.stderr.splitlines()[-1]
