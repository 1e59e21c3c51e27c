from __future__ import annotations

from mtdnn_tf.evaluation.measures.average import result_name, task_of_result
from mtdnn_tf.tasks.registry import get_task


def test_metrics_of_several_splits_have_several_names():
    mnli, rte = get_task("mnli"), get_task("rte")
    assert result_name(mnli, "validation_matched") == "mnli/validation_matched"
    assert result_name(rte, "validation") == "rte"
    assert result_name(rte, "test") == "rte/test"


def test_a_name_tells_its_task():
    assert [task_of_result(name) for name in ("mnli/validation_matched", "rte")] == ["mnli", "rte"]
