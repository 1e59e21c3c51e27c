"""What a model hub reads of a model card: YAML before its text (https://huggingface.co/docs/hub/model-cards)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import yaml

from mtdnn_tf.evaluation.measures.average import task_of_result
from mtdnn_tf.release.provenance import ReleaseMetrics
from mtdnn_tf.tasks.task import Task

UNKNOWN_LICENSE = "unknown"
_TAGS = ("bert", "multi-task-learning", "knowledge-distillation", "tensorflow")


def front_matter(
    name: str,
    tasks: Sequence[Task],
    metrics: ReleaseMetrics,
    license: str = UNKNOWN_LICENSE,
    datasets: Sequence[str] = (),
) -> str:
    """Returns the metadata of a model card, with the lines that enclose it.

    Args:
        name: Name of the model.
        tasks: The released tasks.
        metrics: Their metrics; those that are not defined are left out.
        license: Identifier of the model's licence on the hub, such as "apache-2.0". Defaults to "unknown".
        datasets: Identifiers of the training data on the hub; none by default.
    """
    kinds = {task.name: task.kind_object.hub_task for task in tasks}
    measured = {
        result: {metric: summary.mean for metric, summary in of.items() if summary.mean is not None}
        for result, of in metrics.results.items()
        if task_of_result(result) in kinds
    }
    values: dict[str, Any] = {
        "license": license,
        "library_name": "tf-keras",
        "pipeline_tag": next(iter(kinds.values())),
        "tags": list(_TAGS),
        "datasets": list(datasets),
        "metrics": sorted({metric for of in measured.values() for metric in of}),
    }
    if results := [_result(result, kinds, of) for result, of in measured.items() if of]:
        values["model-index"] = [{"name": name, "results": results}]
    shown = {key: value for key, value in values.items() if value != []}
    return f"---\n{yaml.safe_dump(shown, sort_keys=False, allow_unicode=True)}---\n"


def _result(result: str, kinds: dict[str, str], metrics: dict[str, float]) -> dict[str, Any]:
    return {
        "task": {"type": kinds[task_of_result(result)], "name": task_of_result(result)},
        "dataset": {"type": result, "name": f"{result}, development split"},
        "metrics": [{"type": metric, "value": round(value, 4)} for metric, value in metrics.items()],
    }
