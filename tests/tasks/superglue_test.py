from __future__ import annotations

from mtdnn_tf.tasks.superglue import AXB, AXG, BOOLQ, CB, SUPERGLUE_TASKS

# SuperGLUE's leaderboard (Wang et al. 2019, table 1); AX-g's parity score is not among the metrics.
_METRICS = {
    "boolq": {"accuracy"},
    "cb": {"accuracy", "f1_macro"},
    "superglue_rte": {"accuracy"},
    "axb": {"matthews_correlation"},
    "axg": {"accuracy"},
}


def test_metrics_are_superglues():
    assert {task.name: set(task.metrics) for task in SUPERGLUE_TASKS} == _METRICS


def test_rows_are_named_by_the_files_and_no_file_goes_to_glues_server():
    for task in SUPERGLUE_TASKS:
        assert task.id == "idx"
        assert task.submission == {}


def test_the_diagnostic_sets_are_answered_by_rtes_head():
    for task in (AXB, AXG):
        assert task.head_task == "superglue_rte"
        assert list(task.files) == ["test"]
        assert task.evaluation_splits == ()


def test_labels_are_spelled_as_json_and_natural_language_inference_do():
    assert BOOLQ.labels == ("false", "true")
    assert set(CB.labels) == {"entailment", "neutral", "contradiction"}
