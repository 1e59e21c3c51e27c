from __future__ import annotations

import pytest

from mtdnn_tf.data.sources import DataSource
from mtdnn_tf.errors import UserError
from mtdnn_tf.evaluation.glue_submission import write_submission
from mtdnn_tf.evaluation.majority import majority_predictions
from mtdnn_tf.tasks.registry import get_task
from tests.evaluation.glue_format import write_test_file, write_train_file


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
    with pytest.raises(UserError, match="task stsb: a majority takes a classification task, regression given"):
        majority_predictions(get_task("stsb"), "test", DataSource("files", tmp_path))
