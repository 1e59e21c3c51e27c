"""The metadata of a model card are read by the hub's own library."""

from __future__ import annotations

import pytest
from huggingface_hub import ModelCard, ModelCardData

from mtdnn_tf.evaluation.measures.statistics import Summary
from mtdnn_tf.release.front_matter import front_matter
from mtdnn_tf.release.provenance import ReleaseMetrics
from mtdnn_tf.tasks.task import Task

_MOOD = Task(name="mood", kind="classification", text=("text",), labels=("bad", "good"), metrics=("accuracy",))
_NEAR = Task(name="near", kind="regression", text=("a", "b"), metrics=("pearson",), labels=())
_ANSWERS = Task(name="answers", kind="ranking", text=("query", "answer"), labels=("no", "yes"), metrics=("mrr",))
_RESULTS = {
    "mood": {"accuracy": Summary(0.75123, 0.01, 2), "f1": Summary(None, None, 0)},
    "near/dev": {"pearson": Summary(0.5, None, 1)},
    "other": {"accuracy": Summary(0.9, None, 1)},  # Not released.
}


def _data(text: str) -> ModelCardData:
    assert text.startswith("---\n") and text.endswith("\n---\n")
    data = ModelCard(f"{text}# Title\n", ignore_metadata_errors=False).data
    assert isinstance(data, ModelCardData)
    return data


def test_the_hubs_library_reads_licence_tags_data_and_results():
    metrics = ReleaseMetrics("student", (1, 2), _RESULTS)
    data = _data(front_matter("shop", [_MOOD, _NEAR], metrics, "apache-2.0", ["nyu-mll/glue"]))
    assert (data.license, data.datasets, data.pipeline_tag) == ("apache-2.0", ["nyu-mll/glue"], "text-classification")
    assert data.tags is not None and "knowledge-distillation" in data.tags
    assert data.metrics == ["accuracy", "pearson"]
    assert data.model_name == "shop"
    results = data.eval_results or []
    found = [(of.task_name, of.dataset_type, of.metric_type, of.metric_value) for of in results]
    assert found == [("mood", "mood", "accuracy", 0.7512), ("near", "near/dev", "pearson", 0.5)]


@pytest.mark.parametrize(("task", "tag"), [(_MOOD, "text-classification"), (_ANSWERS, "text-ranking")])
def test_a_model_without_metrics_has_no_results(task, tag):
    data = _data(front_matter("shop", [task], ReleaseMetrics("this run", (), {})))
    assert (data.license, data.pipeline_tag, data.datasets, data.eval_results) == ("unknown", tag, None, None)
