from __future__ import annotations

import pytest

from mtdnn_tf.tasks.registry import get_task, task_names
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

_BY_NAME = {name: get_task(name) for name in _METRICS}
_TASKS = list(_BY_NAME.values())


@pytest.mark.parametrize("name", _METRICS)
def test_metrics_are_glues(name: str):
    assert set(_BY_NAME[name].metrics) == _METRICS[name]


def test_dropout_is_mt_dnns():
    others = {task.name: task.dropout for task in _TASKS if task.dropout != 0.1}
    assert others == {"mnli": 0.3, "cola": 0.05}


def test_submission_has_the_eleven_files():
    files = [file for task in _TASKS for file in task.submission.values()]
    assert " ".join(sorted(files)) == _SUBMISSION_FILES


def test_submission_has_as_many_rows_as_glues_test_files():
    rows = {task.submission[split]: rows for task in _TASKS for split, rows in task.submission_rows.items()}
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
    for task in _TASKS:
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
    for task in map(get_task, task_names()):
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


@pytest.mark.parametrize("task", _TASKS, ids=lambda task: task.name)
def test_features_and_labels_are_those_of_tensorflow_datasets(task: Task, tmp_path):
    import tensorflow_datasets as tfds

    assert task.tfds is not None
    features = tfds.builder(task.tfds.name, data_dir=str(tmp_path)).info.features
    assert set(features) == {*task.tfds.text, task.tfds.label, task.tfds.id}
    if task.kind == "classification":
        assert set(features[task.tfds.label].names) == set(task.labels)


def test_ids_of_snli_and_scitail_are_hashes_in_both_sources():
    for task in (get_task("snli"), get_task("scitail")):
        assert task.id == "hash"
        assert task.tfds is not None
        assert task.tfds.id is None


def test_only_snli_has_rows_without_an_agreed_label():
    assert get_task("snli").skip_labels == ("-", "-1")
    assert [name for name in task_names() if get_task(name).skip_labels] == ["snli"]


@pytest.mark.parametrize("number", [1, 2, 3])
def test_anlis_rounds_have_mnlis_labels_and_ids_of_their_own(number: int):
    task = get_task(f"anli_r{number}")
    assert set(task.labels) == set(get_task("mnli").labels)
    assert dict(zip(task.file_labels, task.labels)) == {"e": "entailment", "n": "neutral", "c": "contradiction"}
    assert task.id == "uid"
    assert [file.path for file in task.files.values()] == [
        f"anli_v1.0/R{number}/{name}.jsonl" for name in ("train", "dev", "test")
    ]


# SuperGLUE's leaderboard (Wang et al. 2019, table 1); AX-g's parity score is not among the metrics.
_SUPERGLUE_METRICS = {
    "boolq": {"accuracy"},
    "cb": {"accuracy", "f1_macro"},
    "superglue_rte": {"accuracy"},
    "axb": {"matthews_correlation"},
    "axg": {"accuracy"},
}


def test_metrics_are_superglues():
    assert {name: set(get_task(name).metrics) for name in _SUPERGLUE_METRICS} == _SUPERGLUE_METRICS


def test_rows_are_named_by_the_files_and_no_file_goes_to_glues_server():
    for task in map(get_task, _SUPERGLUE_METRICS):
        assert task.id == "idx"
        assert task.submission == {}


def test_the_diagnostic_sets_are_answered_by_rtes_head():
    for task in (get_task("axb"), get_task("axg")):
        assert task.head_task == "superglue_rte"
        assert list(task.files) == ["test"]
        assert task.evaluation_splits == ()


def test_labels_are_spelled_as_json_and_natural_language_inference_do():
    assert get_task("boolq").labels == ("false", "true")
    assert set(get_task("cb").labels) == {"entailment", "neutral", "contradiction"}
