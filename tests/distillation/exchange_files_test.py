from __future__ import annotations

import numpy as np
import pytest

from mtdnn_tf.distillation.exchange_files import read_exchange_file, write_exchange_file
from mtdnn_tf.errors import UserError
from mtdnn_tf.tasks.task import Task

SPOKEN = Task("spoken", "classification", ("text",), ("yes, please", "no"), ("accuracy",))
SCORE = Task("score", "regression", ("text",), metrics=("pearson",))


def test_labels_and_ids_with_commas_stand_quoted_in_a_csv(tmp_path):
    path = tmp_path / "teacher.csv"
    path.write_text('"yes, please",id,no\r\n0.125,"a,1",0.875\r\n1e0,b,0\r\n')
    read = read_exchange_file(path, SPOKEN, "train", ["b", "a,1"])
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
        read = read_exchange_file(tmp_path / name, SCORE, "train", ids)
        assert read.astype(np.float32).tobytes() == values.tobytes()


def test_what_a_file_cannot_hold_is_refused(tmp_path):
    values = np.array([[0.5]], np.float32)
    with pytest.raises(UserError, match=r"out.tsv: id 'a\\tb' holds a tab.*write a .jsonl"):
        write_exchange_file(tmp_path / "out.tsv", SCORE, ["a\tb"], values)
    with pytest.raises(UserError, match=r"out.csv: soft targets are written to a file ending in .tsv or .jsonl"):
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
    read = read_exchange_file(path, ANSWERS, "train", IDS, queries=QUERIES)
    np.testing.assert_allclose(read[:, 0], [0.9, 0.25 / 1.0005, 0.1, 0.7505 / 1.0005, 1.0])
    path.write_text("id\tprobability\nb\t0.25\na\t0.9\nc\t0.2\ne\t1\nd\t0.75\n")
    with pytest.raises(UserError, match=r"teacher.tsv:3: .* candidates must sum to 1, got a sum of 1.1"):
        read_exchange_file(path, ANSWERS, "train", IDS, queries=QUERIES)


def test_scores_of_a_ranking_become_the_softmax_over_its_query(tmp_path):
    path = tmp_path / "teacher.jsonl"
    scores = np.array([1.0, -2.0, 0.5, 30.0, 7.0])
    path.write_text("".join(f'{{"id": "{name}", "score": {score}}}\n' for name, score in zip(IDS, scores)))
    read = read_exchange_file(path, ANSWERS, "train", IDS, values="logits", queries=QUERIES)[:, 0]
    assert read[0] / read[2] == pytest.approx(np.exp(0.5))
    assert read[0] + read[2] == pytest.approx(1.0)
    assert read[4] == 1.0
    with pytest.raises(
        UserError, match=r"teacher.jsonl:1: unknown column of soft targets of ranking task answers 'score'"
    ):
        read_exchange_file(path, ANSWERS, "train", IDS, queries=QUERIES)


@pytest.mark.parametrize("values", ["probabilities", "logits"])
def test_what_is_written_of_a_ranking_is_read_back(tmp_path, values):
    probabilities = np.array([[0.3], [0.2], [0.7], [0.8], [1.0]], np.float32)
    write_exchange_file(tmp_path / "out.tsv", ANSWERS, IDS, probabilities, values)
    read = read_exchange_file(tmp_path / "out.tsv", ANSWERS, "train", IDS, values, QUERIES)
    np.testing.assert_allclose(read, probabilities, rtol=1e-6)
