from __future__ import annotations

import csv
import json

import numpy as np
import pytest
from scipy.special import softmax

from mtdnn_tf.data.encoding import EncodedData
from mtdnn_tf.data.sources.source import DataSource
from mtdnn_tf.data.word_pieces import WordPieceTokenizer
from mtdnn_tf.distillation.exchange import export_soft_targets, import_soft_targets
from mtdnn_tf.distillation.soft_targets import find_soft_targets, join_soft_targets, read_soft_targets
from mtdnn_tf.errors import UserError
from mtdnn_tf.tasks.registry import select_tasks
from tests.helpers import VOCABULARY, write_tasks


@pytest.fixture(name="data")
def _data(tmp_path):
    """Returns the small tasks by name, and for each its training split as training sees it."""
    tasks = select_tasks([], [write_tasks(tmp_path / "tasks")])
    tokenizer, source = WordPieceTokenizer(VOCABULARY, lowercase=True), DataSource("files", tmp_path / "tasks")
    return {
        task.name: (task, source, EncodedData(source, tokenizer, 32, tmp_path / "cache").split(task, "train"))
        for task in tasks
    }


def _write_tsv(path, ids, columns):
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, delimiter="\t", lineterminator="\n")
        writer.writerow(["id", *columns])
        writer.writerows(zip(ids, *([f"{number:.6f}" for number in column] for column in columns.values())))


def test_the_average_of_files_of_any_order_trains_as_scored_soft_targets_do(data, tmp_path):
    task, source, encoded = data["entailment"]
    generator = np.random.default_rng(0)
    first, second = (softmax(generator.normal(size=(40, 3)), axis=-1) for _ in range(2))
    _write_tsv(tmp_path / "first.tsv", encoded.example_ids, dict(zip(("entails", "neutral", "contradicts"), first.T)))
    # Another order of rows and columns, and another format.
    order = generator.permutation(40)
    lines = [
        json.dumps({"contradicts": second[row, 2], "id": encoded.example_ids[row], "neutral": second[row, 1],
                    "entails": second[row, 0]})
        for row in order
    ]  # fmt: skip
    (tmp_path / "second.jsonl").write_text("\n".join(lines) + "\n")
    folder = import_soft_targets(
        [tmp_path / "first.tsv", tmp_path / "second.jsonl"],
        *(task, "train", source, tmp_path / "soft"),
        teacher_names=("bert", "gpt"),
        weights=[3.0, 1.0],
    )
    assert folder == tmp_path / "soft" / "entailment"
    targets = find_soft_targets([tmp_path / "soft"], [task])["entailment"]
    rows = np.array([39, 0, 7])
    expected = (3 * first + second) / 4
    np.testing.assert_allclose(np.exp(join_soft_targets(targets, task, encoded, rows)), expected[rows], atol=2e-6)
    variances = (3 * (first - expected) ** 2 + (second - expected) ** 2).mean(axis=-1) / 4
    assert targets.variances is not None
    np.testing.assert_allclose(targets.variances, variances, atol=1e-6)
    teachers = targets.manifest["teachers"]
    assert [(teacher["run"], teacher["file"], teacher["weight"]) for teacher in teachers] == [
        ("bert", "first.tsv", 3.0),
        ("gpt", "second.jsonl", 1.0),
    ]


def test_logits_become_their_softmax_and_scores_stay(data, tmp_path):
    task, source, encoded = data["mood"]
    logits = np.random.default_rng(1).normal(scale=5, size=(40, 2))
    _write_tsv(tmp_path / "logits.tsv", encoded.example_ids, {"bad": logits[:, 0], "good": logits[:, 1]})
    files = [tmp_path / "logits.tsv"]
    folder = import_soft_targets(files, task, "train", source, tmp_path / "soft", values="logits")
    np.testing.assert_allclose(read_soft_targets(folder).predictions, softmax(logits, axis=-1), atol=1e-5)
    with pytest.raises(UserError, match=r"logits.tsv:2: probabilities must be from 0 to 1.*--values=logits"):
        import_soft_targets(files, task, "train", source, tmp_path / "soft")

    task, source, encoded = data["similarity"]
    scores = np.random.default_rng(2).normal(size=(40, 1)) * 100
    _write_tsv(tmp_path / "scores.tsv", encoded.example_ids, {"score": scores[:, 0]})
    folder = import_soft_targets([tmp_path / "scores.tsv"], task, "train", source, tmp_path / "soft")
    np.testing.assert_allclose(read_soft_targets(folder).predictions, scores, atol=1e-5)


def test_probabilities_are_divided_by_their_sum(data, tmp_path):
    task, source, encoded = data["mood"]
    _write_tsv(tmp_path / "rounded.tsv", encoded.example_ids, {"bad": [0.3335] * 40, "good": [0.666] * 40})
    folder = import_soft_targets([tmp_path / "rounded.tsv"], task, "train", source, tmp_path / "soft")
    np.testing.assert_allclose(read_soft_targets(folder).predictions[:, 0], 0.3335 / 0.9995, rtol=1e-6)


@pytest.mark.parametrize("ending", ["tsv", "jsonl"])
@pytest.mark.parametrize("name", ["entailment", "similarity"])
def test_what_is_exported_is_imported_bit_by_bit(data, tmp_path, name, ending):
    task, source, encoded = data[name]
    values = np.random.default_rng(3).normal(size=(40, task.num_outputs))
    columns = softmax(5 * values, axis=-1).T if task.labels else values.T
    _write_tsv(tmp_path / "teacher.tsv", encoded.example_ids, dict(zip(task.labels or ["score"], columns)))
    folder = import_soft_targets([tmp_path / "teacher.tsv"], task, "train", source, tmp_path / "soft")
    exported = tmp_path / f"exported.{ending}"
    assert export_soft_targets(tmp_path / "soft", task, "train", exported) == 40
    again = import_soft_targets([exported], task, "train", source, tmp_path / "again")
    stored, read = read_soft_targets(folder), read_soft_targets(again)
    assert stored.predictions.tobytes() == read.predictions.tobytes()
    assert stored.example_ids == read.example_ids == tuple(encoded.example_ids)
    if ending == "tsv":
        header = exported.read_text().split("\n")[0].split("\t")
        assert header == ["id", *(task.labels or ["score"])]


def test_exported_logits_are_logs_and_come_back(data, tmp_path):
    task, source, encoded = data["mood"]
    good = np.linspace(0, 1, 40)
    _write_tsv(tmp_path / "teacher.tsv", encoded.example_ids, {"bad": 1 - good, "good": good})
    import_soft_targets([tmp_path / "teacher.tsv"], task, "train", source, tmp_path / "soft")
    path = tmp_path / "logits.jsonl"
    export_soft_targets(tmp_path / "soft", task, "train", path, values="logits")
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    assert rows[20]["good"] == pytest.approx(np.log(good[20]), rel=1e-5)
    folder = import_soft_targets([path], task, "train", source, tmp_path / "again", values="logits")
    np.testing.assert_allclose(read_soft_targets(folder).predictions[:, 1], good, atol=1e-5)


def test_soft_targets_of_other_labels_are_not_exported(data, tmp_path):
    task, source, encoded = data["mood"]
    _write_tsv(tmp_path / "teacher.tsv", encoded.example_ids, {"bad": [0.5] * 40, "good": [0.5] * 40})
    import_soft_targets([tmp_path / "teacher.tsv"], task, "train", source, tmp_path / "soft")
    path = tmp_path / "tasks" / "tasks.yaml"
    path.write_text(path.read_text().replace("[bad, good]", "[good, bad]"))
    turned = select_tasks(["mood"], [path])[0]
    with pytest.raises(UserError, match=r"label_names is \['bad', 'good'\], the task's is \['good', 'bad'\]"):
        export_soft_targets(tmp_path / "soft", turned, "train", tmp_path / "out.tsv")
