from __future__ import annotations

import pytest

from mtdnn_tf.tasks.glue import GLUE_TASKS
from mtdnn_tf.tasks.task import Task

# GLUE's leaderboard: what each task is scored by, and the files its server takes.
_METRICS = {
    "cola": {"matthews_correlation"},
    "sst2": {"accuracy"},
    "mrpc": {"accuracy", "f1"},
    "stsb": {"pearson", "spearman"},
    "qqp": {"accuracy", "f1"},
    "mnli": {"accuracy"},
    "qnli": {"accuracy"},
    "rte": {"accuracy"},
    "wnli": {"accuracy"},
    "ax": {"matthews_correlation"},
    "ax_b": {"matthews_correlation"},
}
_SUBMISSION_FILES = "AX CoLA MNLI-m MNLI-mm MRPC QNLI QQP RTE SST-2 STS-B WNLI"
_POSITIVE_CLASS = {"mrpc": "equivalent", "qqp": "duplicate"}

_BY_NAME = {task.name: task for task in GLUE_TASKS}


@pytest.mark.parametrize("name", _METRICS)
def test_metrics_are_glues(name: str):
    assert set(_BY_NAME[name].metrics) == _METRICS[name]


def test_dropout_is_mt_dnns():
    others = {task.name: task.dropout for task in GLUE_TASKS if task.dropout != 0.1}
    assert others == {"mnli": 0.3, "cola": 0.05}


def test_submission_has_the_eleven_files():
    files = [file for task in GLUE_TASKS for file in task.submission.values()]
    assert " ".join(sorted(files)) == _SUBMISSION_FILES


def test_submission_has_as_many_rows_as_glues_test_files():
    rows = {task.submission[split]: rows for task in GLUE_TASKS for split, rows in task.submission_rows.items()}
    assert rows == {
        **{"CoLA": 1063, "SST-2": 1821, "MRPC": 1725, "STS-B": 1379, "QQP": 390965, "MNLI-m": 9796, "MNLI-mm": 9847},
        **{"QNLI": 5463, "RTE": 3000, "WNLI": 146, "AX": 1104},
    }


def test_submission_spells_labels_by_number_where_glue_does():
    meanings = {
        "cola": {"unacceptable": "0", "acceptable": "1"},
        "sst2": {"negative": "0", "positive": "1"},
        "mrpc": {"not_equivalent": "0", "equivalent": "1"},
        "qqp": {"not_duplicate": "0", "duplicate": "1"},
        "wnli": {"not_entailment": "0", "entailment": "1"},
    }
    for task in GLUE_TASKS:
        if task.name in meanings:
            assert dict(zip(task.labels, task.submission_labels)) == meanings[task.name]
            assert dict(zip(task.labels, task.file_labels)) == meanings[task.name]
        else:
            assert task.submission_labels == ()
            assert task.file_labels == ()


def test_the_positive_class_of_f1_is_the_last_label():
    for name, positive in _POSITIVE_CLASS.items():
        assert _BY_NAME[name].labels[-1] == positive


def test_every_split_to_evaluate_or_submit_has_a_file():
    for task in GLUE_TASKS:
        assert set(task.evaluation_splits) <= set(task.files)
        assert set(task.submission) <= set(task.files)
    assert _BY_NAME["mnli"].evaluation_splits == ("validation_matched", "validation_mismatched")


def test_ax_is_answered_by_mnlis_head():
    ax, mnli = _BY_NAME["ax"], _BY_NAME["mnli"]
    assert ax.head_task == "mnli"
    assert ax.labels == mnli.labels
    assert list(ax.files) == ["test", "full"]
    assert ax.evaluation_splits == ()


def test_ax_of_two_classes_takes_all_but_entailment_together():
    ax_b, mnli = _BY_NAME["ax_b"], _BY_NAME["mnli"]
    assert ax_b.head_task == "mnli"
    assert ax_b.labels_of_head == mnli.labels
    assert dict(ax_b.head_labels) == {
        "entailment": "entailment",
        "neutral": "not_entailment",
        "contradiction": "not_entailment",
    }
    assert ax_b.submission == {}


@pytest.mark.parametrize("task", GLUE_TASKS, ids=lambda task: task.name)
def test_features_and_labels_are_those_of_tensorflow_datasets(task: Task, tmp_path):
    import tensorflow_datasets as tfds

    assert task.tfds is not None
    features = tfds.builder(task.tfds.name, data_dir=str(tmp_path)).info.features
    assert set(features) == {*task.tfds.text, task.tfds.label, task.tfds.id}
    if task.kind == "classification":
        assert set(features[task.tfds.label].names) == set(task.labels)
