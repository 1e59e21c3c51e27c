import logging

import numpy as np
import pytest

from mtdnn_tf.data.encoded_split import EncodedSplit
from mtdnn_tf.errors import UserError
from mtdnn_tf.evaluation.gold_labels import check_gold_labels
from mtdnn_tf.tasks.task import Task

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
