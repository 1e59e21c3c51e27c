from __future__ import annotations

import csv
import json

import numpy as np
import pytest
from scipy.special import softmax

from mtdnn_tf.data.encoding import EncodedData
from mtdnn_tf.data.sources.source import DataSource
from mtdnn_tf.data.word_pieces import WordPieceTokenizer
from mtdnn_tf.distillation.exchange import export_soft_targets, write_exchange_file
from mtdnn_tf.distillation.joining import join_soft_targets
from mtdnn_tf.distillation.soft_targets import find_soft_targets, read_soft_targets
from mtdnn_tf.distillation.table_options import TableOptions
from mtdnn_tf.distillation.teacher_tables import read_teacher_table
from mtdnn_tf.errors import UserError
from mtdnn_tf.evaluation.ensembles.importing import import_soft_targets
from mtdnn_tf.tasks.registry import select_tasks
from mtdnn_tf.tasks.task import Task
from tests.helpers import VOCABULARY, write_tasks

LOGITS = TableOptions(("logits",))


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
    folder = import_soft_targets(files, task, "train", source, tmp_path / "soft", options=LOGITS)
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
    folder = import_soft_targets([path], task, "train", source, tmp_path / "again", options=LOGITS)
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


SPOKEN = Task("spoken", "classification", ("text",), ("yes, please", "no"), ("accuracy",))
SCORE = Task("score", "regression", ("text",), metrics=("pearson",))


def test_labels_and_ids_with_commas_stand_quoted_in_a_csv(tmp_path):
    path = tmp_path / "teacher.csv"
    path.write_text('"yes, please",id,no\r\n0.125,"a,1",0.875\r\n1e0,b,0\r\n')
    read = read_teacher_table(path, SPOKEN, "train", ["b", "a,1"]).predictions
    np.testing.assert_array_equal(read, [[1.0, 0.0], [0.125, 0.875]])


def test_numbers_are_the_shortest_that_float32_reads_back(tmp_path):
    values = np.array([[0.1], [1 / 3], [-2.5e-20], [123456.79]], np.float32)
    ids = ["a", "b", "c", "d e"]
    write_exchange_file(tmp_path / "out.tsv", SCORE, ids, values)
    lines = (tmp_path / "out.tsv").read_text().splitlines()
    assert lines == ["id\tscore", "a\t0.1", "b\t0.33333334", "c\t-2.5e-20", "d e\t123456.79"]
    write_exchange_file(tmp_path / "out.jsonl", SCORE, ids, values)
    assert (tmp_path / "out.jsonl").read_text().splitlines()[1] == '{"id": "b", "score": 0.33333334}'
    for name in ("out.tsv", "out.jsonl"):
        read = read_teacher_table(tmp_path / name, SCORE, "train", ids).predictions
        assert read.astype(np.float32).tobytes() == values.tobytes()


def test_what_a_file_cannot_hold_is_refused(tmp_path):
    values = np.array([[0.5]], np.float32)
    with pytest.raises(UserError, match=r"out.tsv: 'a\\tb' holds a tab.*write a .jsonl"):
        write_exchange_file(tmp_path / "out.tsv", SCORE, ["a\tb"], values)
    with pytest.raises(UserError, match=r"out.csv: soft targets must be written to a file ending in .tsv or .jsonl"):
        write_exchange_file(tmp_path / "out.csv", SCORE, ["a"], values)
    named_id = Task("named", "classification", ("text",), ("id", "other"), ("accuracy",))
    with pytest.raises(UserError, match="task named: a label is named 'id'"):
        write_exchange_file(tmp_path / "out.tsv", named_id, ["a"], np.array([[0.5, 0.5]], np.float32))
    assert not list(tmp_path.iterdir())


ANSWERS = Task("answers", "ranking", ("q", "a"), ("0", "1"), ("mrr",))
QUERIES = np.array([0, 1, 0, 1, 2])
IDS = ["a", "b", "c", "d", "e"]


def test_a_ranking_has_a_probability_a_candidate_that_sum_to_1_over_its_query(tmp_path):
    path = tmp_path / "teacher.tsv"
    path.write_text("id\tprobability\nb\t0.25\na\t0.9\nc\t0.1\ne\t1\nd\t0.7505\n")
    read = read_teacher_table(path, ANSWERS, "train", IDS, queries=QUERIES).predictions
    np.testing.assert_allclose(read[:, 0], [0.9, 0.25 / 1.0005, 0.1, 0.7505 / 1.0005, 1.0])
    path.write_text("id\tprobability\nb\t0.25\na\t0.9\nc\t0.2\ne\t1\nd\t0.75\n")
    with pytest.raises(UserError, match=r"teacher.tsv:3: .* candidates must sum to 1, got a sum of 1.1"):
        read_teacher_table(path, ANSWERS, "train", IDS, queries=QUERIES)


def test_scores_of_a_ranking_become_the_softmax_over_its_query(tmp_path):
    path = tmp_path / "teacher.jsonl"
    scores = np.array([1.0, -2.0, 0.5, 30.0, 7.0])
    path.write_text("".join(f'{{"id": "{name}", "score": {score}}}\n' for name, score in zip(IDS, scores)))
    read = read_teacher_table(path, ANSWERS, "train", IDS, values="logits", queries=QUERIES).predictions[:, 0]
    assert read[0] / read[2] == pytest.approx(np.exp(0.5))
    assert read[0] + read[2] == pytest.approx(1.0)
    assert read[4] == 1.0
    with pytest.raises(
        UserError, match=r"teacher.jsonl:1: unknown column of soft targets of ranking task answers 'score'"
    ):
        read_teacher_table(path, ANSWERS, "train", IDS, queries=QUERIES)


@pytest.mark.parametrize("values", ["probabilities", "logits"])
def test_what_is_written_of_a_ranking_is_read_back(tmp_path, values):
    probabilities = np.array([[0.3], [0.2], [0.7], [0.8], [1.0]], np.float32)
    write_exchange_file(tmp_path / "out.tsv", ANSWERS, IDS, probabilities, values)
    read = read_teacher_table(tmp_path / "out.tsv", ANSWERS, "train", IDS, values, queries=QUERIES).predictions
    np.testing.assert_allclose(read, probabilities, rtol=1e-6)
