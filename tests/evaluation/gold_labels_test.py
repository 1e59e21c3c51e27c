import dataclasses
import logging

import numpy as np
import pytest

from mtdnn_tf.data.encoded_split import EncodedSplit
from mtdnn_tf.data.sources.source import DataSource
from mtdnn_tf.errors import UserError
from mtdnn_tf.evaluation.glue_submission import write_submission
from mtdnn_tf.evaluation.gold_labels import check_gold_labels, majority_predictions, warn_of_labels
from mtdnn_tf.tasks.registry import get_task
from mtdnn_tf.tasks.task import Task
from tests.evaluation.glue_format import write_test_file, write_train_file

MOOD = Task("mood", "classification", ("text",), ("bad", "good"), ("accuracy",))
CLOSE = Task("close", "regression", ("a", "b"), (), ("pearson",))


def _split(task, labels):
    rows = len(labels)
    return EncodedSplit(
        task,
        "validation",
        [str(row) for row in range(rows)],
        np.zeros(3 * rows, np.int32),
        3 * np.arange(rows + 1),
        np.full(rows, 3, np.int32),
        np.array(labels),
        "",
        {},
    )


@pytest.mark.parametrize(("task", "labels"), [(MOOD, [-1, -1]), (CLOSE, [np.nan, np.nan, np.nan])])
def test_a_split_without_gold_labels_is_refused(task, labels):
    with pytest.raises(UserError, match=f"task {task.name}, split validation: none of its {len(labels)} rows has a"):
        check_gold_labels(_split(task, labels))


@pytest.mark.parametrize(
    ("task", "labels", "said"),
    [
        (MOOD, [1, -1, 1], "all of its 2 gold labels are 'good'"),
        (CLOSE, [2.5, 2.5], "all of its 2 gold labels are 2.5"),
        (MOOD, [1, -1, 0], None),
        (CLOSE, [2.5, 2.0], None),
    ],
)
def test_labels_that_are_all_alike_are_said(caplog, task, labels, said):
    with caplog.at_level(logging.WARNING, "absl"):
        check_gold_labels(_split(task, labels))
    assert [record.getMessage().partition(": ")[2].partition(";")[0] for record in caplog.records] == [said][
        : said is not None
    ]


TOPICS = Task("topics", "multi_label", ("text",), ("a", "b", "c"), ("f1_micro",))
ANSWERS = Task("answers", "ranking", ("q", "a"), ("0", "1"), ("mrr",))


@pytest.mark.parametrize(
    ("task", "labels", "queries", "warning"),
    [
        (MOOD, [0, 1, 1], None, None),
        (MOOD, [0, 0, 0], None, "task mood: no training row has the label 'good'"),
        (TOPICS, [[1, 0, 0], [0, 1, 1]], None, None),
        (TOPICS, [[1, 0, 0], [0, 0, 0]], None, "task topics: no training row has the label 'b', 'c'"),
        (CLOSE, [0.0, 5.0, 2.5], None, None),
        (CLOSE, [2.5, 2.5], None, None),
        (
            CLOSE,
            [1000.0, 2000.0],
            None,
            "task close: its scores have a magnitude of 2000 and a standard deviation",
        ),
        (
            CLOSE,
            [5e-5, 1e-5],
            None,
            "task close: its scores have a magnitude of 5e-05 and a standard deviation",
        ),
        (ANSWERS, [1, 1, 1], [0, 1, 2], "task answers: each of its 3 queries has one candidate only"),
        (ANSWERS, [1, 1, 0], [0, 1, 1], None),
    ],
)
def test_labels_that_teach_nothing_are_said_once_and_by_name(caplog, task, labels, queries, warning):
    split = _split(task, np.array(labels, np.float32 if task is CLOSE else np.int32))
    split = dataclasses.replace(split, queries=None if queries is None else np.array(queries, np.int32))
    with caplog.at_level(logging.WARNING, "absl"):
        warn_of_labels(split, np.arange(len(labels)))
        warn_of_labels(split, np.arange(0))
    assert [record.getMessage().partition(" of 500")[0].partition(" of 2e-05")[0] for record in caplog.records] == (
        [warning] if warning else []
    )


@pytest.mark.parametrize(("labels", "majority"), [("00101", "0"), ("11010", "1")])
def test_the_most_frequent_training_label_is_submitted(tmp_path, labels, majority):
    pairs = [(f"the cat sees {number}", "a dog") for number in range(5)]
    write_train_file(tmp_path, "WNLI.tsv", pairs, list(labels))
    write_test_file(tmp_path, "WNLI.tsv", pairs[:3])
    predictions = majority_predictions(get_task("wnli"), "test", DataSource("files", tmp_path))
    assert sorted(predictions.values[0].tolist()) == pytest.approx([0.4, 0.6])
    write_submission(tmp_path / "out", [predictions], allow_partial=True)
    rows = "".join(f"{row}\t{majority}\n" for row in range(3))
    assert (tmp_path / "out" / "WNLI.tsv").read_text() == f"index\tprediction\n{rows}"


def test_a_score_has_no_majority(tmp_path):
    with pytest.raises(UserError, match="task stsb: a majority needs a classification task, got regression"):
        majority_predictions(get_task("stsb"), "test", DataSource("files", tmp_path))
