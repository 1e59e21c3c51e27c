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
