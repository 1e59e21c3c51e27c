from __future__ import annotations

import zipfile

import numpy as np
import pytest

from mtdnn_tf.errors import UserError
from mtdnn_tf.evaluation.glue_submission import submission_files, write_submission
from mtdnn_tf.evaluation.predictions import Predictions
from mtdnn_tf.tasks.registry import get_task, task_names

# As GLUE's FAQ lists them.
_GLUE_FILES = {
    *("CoLA.tsv", "SST-2.tsv", "MRPC.tsv", "STS-B.tsv", "MNLI-m.tsv", "MNLI-mm.tsv"),
    *("QNLI.tsv", "QQP.tsv", "RTE.tsv", "WNLI.tsv", "AX.tsv"),
}


def _predictions(task_name, split="test", rows=3):
    task = get_task(task_name)
    values = np.random.default_rng(0).random((rows, task.num_outputs)).astype(np.float32)
    return Predictions(task, split, [str(row) for row in range(rows)], values)


def _all_predictions():
    return [_predictions(name, split) for name in task_names() for split in get_task(name).submission]


def _of_labels(task_name, labels, ids=None, split="test"):
    task = get_task(task_name)
    values = np.array([[float(label == name) for name in task.labels] for label in labels], np.float32)
    return Predictions(task, split, ids or [str(row) for row in range(len(labels))], values)


def _written(tmp_path, *predictions):
    folder = tmp_path / "submission"
    write_submission(folder, predictions, allow_partial=True)
    return {file.name: file.read_text() for file in folder.iterdir()}


def test_files_are_those_of_glue():
    assert set(submission_files()) == _GLUE_FILES


def test_zip_holds_every_file_at_its_top_level(tmp_path):
    path = tmp_path / "made" / "glue.zip"
    write_submission(path, _all_predictions())
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None
        assert set(archive.namelist()) == _GLUE_FILES
        for name in archive.namelist():
            lines = archive.read(name).decode().split("\n")
            assert lines[0] == "index\tprediction"
            assert [line.split("\t")[0] for line in lines[1:-1]] == ["0", "1", "2"]
            assert lines[-1] == ""
    assert [file.name for file in path.parent.iterdir()] == ["glue.zip"]


def test_equal_predictions_make_equal_archives(tmp_path):
    for name in ("a.zip", "b.zip"):
        write_submission(tmp_path / name, _all_predictions())
    assert (tmp_path / "a.zip").read_bytes() == (tmp_path / "b.zip").read_bytes()


def test_labels_are_spelled_as_glue_spells_them(tmp_path):
    files = _written(
        tmp_path,
        _of_labels("cola", ["unacceptable", "acceptable"]),
        _of_labels("rte", ["entailment", "not_entailment"]),
        _of_labels("wnli", ["entailment", "not_entailment"]),
        _of_labels("mnli", ["neutral", "contradiction", "entailment"], split="test_matched"),
    )
    assert files["CoLA.tsv"] == "index\tprediction\n0\t0\n1\t1\n"
    assert files["RTE.tsv"] == "index\tprediction\n0\tentailment\n1\tnot_entailment\n"
    assert files["WNLI.tsv"] == "index\tprediction\n0\t1\n1\t0\n"
    assert files["MNLI-m.tsv"] == "index\tprediction\n0\tneutral\n1\tcontradiction\n2\tentailment\n"


def test_scores_are_clipped(tmp_path):
    values = np.array([[-0.5], [2.34567], [5.5]], np.float32)
    files = _written(tmp_path, Predictions(get_task("stsb"), "test", ["0", "1", "2"], values))
    assert files["STS-B.tsv"] == "index\tprediction\n0\t0.000\n1\t2.346\n2\t5.000\n"


def test_rows_stand_in_the_test_files_order_whatever_the_sources(tmp_path):
    ids = [str(row) for row in (10, 2, 0, 1, 3, 4, 5, 6, 7, 8, 9)]
    labels = ["acceptable", *["unacceptable"] * 9, "acceptable"]
    lines = _written(tmp_path, _of_labels("cola", labels, ids))["CoLA.tsv"].splitlines()
    assert lines[1:] == [*(f"{row}\t0" for row in range(9)), "9\t1", "10\t1"]


def test_another_number_of_rows_than_glues_is_warned_of(tmp_path, caplog):
    caplog.set_level("WARNING", logger="absl")
    write_submission(tmp_path / "glue.zip", [_predictions("wnli", rows=146), _predictions("ax")], allow_partial=True)
    assert [record.getMessage() for record in caplog.records] == [
        "AX.tsv: 3 rows; GLUE's server expects 1104, those of its test file"
    ]


def test_missing_files_are_named(tmp_path):
    path = tmp_path / "glue.zip"
    given = [part for part in _all_predictions() if part.task.name not in ("ax", "qqp")]
    with pytest.raises(UserError, match=r"missing QQP\.tsv, AX\.tsv$"):
        write_submission(path, given)
    assert not list(tmp_path.iterdir())
    write_submission(path, given, allow_partial=True)
    with zipfile.ZipFile(path) as archive:
        assert set(archive.namelist()) == _GLUE_FILES - {"AX.tsv", "QQP.tsv"}


@pytest.mark.parametrize(
    ("ids", "message"),
    [
        (["0", "2", "3"], "row 1 is missing"),
        (["0", "1", "1"], "row 2 is missing or duplicate"),
        (["1", "2", "3"], "row 0 is missing"),
        (["0", "1", "two"], "row numbers"),
    ],
)
def test_ids_that_are_not_all_row_numbers_are_refused(tmp_path, ids, message):
    with pytest.raises(UserError, match=message):
        _written(tmp_path, _of_labels("cola", ["acceptable"] * 3, ids))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(("task", "split"), [("cola", "validation"), ("snli", "test"), ("mnli", "test")])
def test_a_split_that_glue_does_not_score_is_refused(tmp_path, task, split):
    with pytest.raises(UserError, match="no part of a GLUE submission"):
        _written(tmp_path, _predictions(task, split))


def test_a_file_given_twice_is_refused(tmp_path):
    with pytest.raises(UserError, match=r"duplicate CoLA\.tsv"):
        _written(tmp_path, _predictions("cola"), _predictions("cola"))


def test_an_existing_folder_is_left_alone(tmp_path):
    (tmp_path / "mine.txt").write_text("kept")
    with pytest.raises(UserError, match="exists"):
        write_submission(tmp_path, _all_predictions())
    assert (tmp_path / "mine.txt").read_text() == "kept"
