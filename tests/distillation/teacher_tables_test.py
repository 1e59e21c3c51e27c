"""Votes, labels and log probabilities of a teacher: each form against its formula, and what is refused."""

import numpy as np
import pytest

from mtdnn_tf.distillation.table_options import TableOptions
from mtdnn_tf.distillation.teacher_tables import read_teacher_table
from mtdnn_tf.errors import UserError
from mtdnn_tf.tasks.task import Task

MOOD = Task("mood", "classification", ("text",), ("bad", "good", "calm"), ("accuracy",), file_labels=("0", "1", "2"))
SETS = Task("sets", "multi_label", ("text",), ("a", "b"), ("f1_micro",))
SCORE = Task("score", "regression", ("text",), metrics=("pearson",))
ANSWERS = Task("answers", "ranking", ("q", "a"), ("0", "1"), ("mrr",))
IDS = ["x", "y"]

COUNTS = "id\tgood\tbad\tcalm\ny\t0\t4\t1\nx\t3\t0\t0\n"
SAMPLES = "id\tlabel\ny\tbad\nx\tgood\ny\tbad\nx\tgood\ny\tcalm\ny\tbad\nx\tgood\ny\tbad\n"
VOTED = np.array([[0, 3, 0], [4, 0, 1]])
LOGS = "id\tbad\tgood\tcalm\n"
TOP = f"{LOGS}x\t{np.log(0.6)}\t\t\ny\t\t{np.log(0.9)}\t{np.log(0.1)}\n"
TOP_LINES = f"""{{"id": "x", "bad": 0, "good": null, "calm": null}}
{{"id": "y", "bad": {np.log(0.5)}, "good": {np.log(0.25)}, "calm": -1000}}
"""
OPTIONS = TableOptions(vote_smoothing=0.5, label_smoothing=0.2)


@pytest.mark.parametrize(
    ("task", "values", "name", "content", "expected"),
    [
        (MOOD, "votes", "t.tsv", COUNTS, (VOTED + 0.5) / np.array([[4.5], [6.5]])),
        (MOOD, "votes", "t.tsv", SAMPLES, (VOTED + 0.5) / np.array([[4.5], [6.5]])),
        (MOOD, "votes", "t.csv", SAMPLES.replace("\t", ","), (VOTED + 0.5) / np.array([[4.5], [6.5]])),
        (MOOD, "labels", "t.jsonl", '{"id": "y", "label": "calm"}\n{"label": "bad", "id": "x"}\n',
         [[0.8, 0.1, 0.1], [0.1, 0.1, 0.8]]),
        (MOOD, "log_probabilities", "t.tsv", TOP, [[0.6, 0.2, 0.2], [1e-6, 0.9, 0.1]]),
        (MOOD, "log_probabilities", "t.jsonl", TOP_LINES, [[1, 1e-6, 1e-6], [2 / 3, 1 / 3, 1e-6]]),
        (SETS, "votes", "t.tsv", "id\tlabel\nx\ta\nx\ta;b\nx\t\ny\tb\n", [[2.5 / 4, 1.5 / 4], [0.5 / 2, 1.5 / 2]]),
        (SETS, "labels", "t.tsv", "id\tlabel\nx\ta;b\ny\t\n", [[0.8, 0.8], [0.2, 0.2]]),
    ],
)  # fmt: skip
def test_answers_become_probabilities_that_are_never_0(tmp_path, task, values, name, content, expected):
    (tmp_path / name).write_text(content)
    read = read_teacher_table(tmp_path / name, task, "train", IDS, values, OPTIONS).predictions
    np.testing.assert_allclose(read, expected, atol=3e-6)
    assert read.min() > 9e-7
    if task is MOOD:
        np.testing.assert_allclose(read.sum(axis=1), 1.0)


def test_sampled_scores_have_a_mean_and_a_variance(tmp_path):
    path = tmp_path / "t.tsv"
    path.write_text("id\tscore\nx\t1\ny\t2.5\nx\t4\nx\t2\ny\t2.5\n")
    table = read_teacher_table(path, SCORE, "train", IDS, "votes")
    np.testing.assert_allclose(table.predictions, [[7 / 3], [2.5]])
    np.testing.assert_allclose(table.variances, np.array([np.var([1, 4, 2]), 0.0]), atol=1e-12)
    assert table.teachers == 2


def test_the_log_says_what_was_read(tmp_path, caplog):
    caplog.set_level("INFO", logger="absl")
    (tmp_path / "t.tsv").write_text(SAMPLES)
    read_teacher_table(tmp_path / "t.tsv", MOOD, "train", IDS, "votes")
    assert "t.tsv: votes of task mood: 3 to 5 answer(s) for each of 2 examples" in caplog.text


@pytest.mark.parametrize(
    ("task", "values", "content", "message"),
    [
        (MOOD, "votes", COUNTS.replace("3", "2.5"), r":3: votes must be integers >= 0, not all 0, got 0, 2.5, 0"),
        (MOOD, "votes", COUNTS.replace("3", "-3"), r":3: votes must be integers >= 0"),
        (MOOD, "votes", COUNTS.replace("3", "0"), r":3: votes must be integers >= 0, not all 0, got 0, 0, 0"),
        (MOOD, "votes", COUNTS + "x\t1\t1\t1\n", r":4: duplicate id 'x', first at .*:3"),
        (MOOD, "votes", SAMPLES.replace("calm", "cold"), r":6: unknown label of task mood 'cold'.* bad, calm, good"),
        (MOOD, "votes", SAMPLES.replace("calm", ""), r":6: unknown label of task mood ''"),
        (MOOD, "votes", "id\tgood\tbad\nx\t1\t1\n", r":1: column 'calm' is missing.* id, bad, good, calm or id, label"),
        (MOOD, "votes", "id\ttext\nx\tgood\n", r":1: unknown column of soft targets .* 'text'"),
        (MOOD, "votes", "id\tlabel\nx\tgood\n", r"t.tsv: no row for 1 of 2 examples .* the first: y"),
        (MOOD, "labels", "id\tlabel\nx\tgood\nx\tbad\n", r":3: duplicate id 'x', first at .*:2"),
        (MOOD, "labels", COUNTS, r":1: unknown column .* 'good'"),
        (MOOD, "log_probabilities", LOGS + "x\t\t\t\ny\t-1\t\t\n", r":2: log prob.* got none, none, none"),
        (MOOD, "log_probabilities", LOGS + "x\t0.5\t\t\ny\t-1\t\t\n", r":2: log prob.* <= 0.* got 0.5"),
        (MOOD, "log_probabilities", LOGS + "y\t-1\t\t\nx\t-0.1\t-0.1\t\n", r":3: .* sum of at most 1"),
        (MOOD, "log_probabilities", LOGS + "x\t1e300\t\t\ny\t-1\t\t\n", r":2: column 'bad' must be a number"),
        (MOOD, "vote", COUNTS, r"unknown `values` 'vote'; did you mean 'votes'"),
        (SETS, "votes", "id\ta\tb\nx\t1\t1\n", r":1: unknown column .* 'a'.* Accepted: id, label"),
        (SETS, "log_probabilities", COUNTS, r"`values` must be .* or labels for multi_label task sets"),
        (ANSWERS, "votes", COUNTS, r"`values` must be probabilities or logits for ranking task answers, got votes"),
        (SCORE, "labels", COUNTS, r"`values` must be probabilities or votes for regression task score, got labels"),
    ],
)  # fmt: skip
def test_other_tables_are_refused_with_their_line(tmp_path, task, values, content, message):
    path = tmp_path / "t.tsv"
    path.write_text(content)
    with pytest.raises(UserError, match=message):
        read_teacher_table(path, task, "train", IDS, values)


@pytest.mark.parametrize("given", [{"vote_smoothing": 0.0}, {"label_smoothing": 0.0}, {"label_smoothing": 0.5}])
def test_smoothing_cannot_make_a_0(given):
    with pytest.raises(UserError, match=f"`{next(iter(given))}` must be a number"):
        TableOptions(**given)
