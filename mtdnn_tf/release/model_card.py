"""Model card and licence notes of a release."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mtdnn_tf.evaluation.measures.statistics import Summary, summarise
from mtdnn_tf.modeling.backbone import BackboneConfig
from mtdnn_tf.release import layout
from mtdnn_tf.release.provenance import Provenance, ReleaseMetrics
from mtdnn_tf.tasks.task import Task
from mtdnn_tf.templates import render
from mtdnn_tf.text_tables import markdown_table

_FILES = Path(__file__).parent / "card_files"


def model_card(
    tasks: Sequence[Task], provenance: Provenance, metrics: ReleaseMetrics, backbone: BackboneConfig, **values: Any
) -> str:
    """Returns the text of README.md.

    `values` are others of the template: `max_sequence_length`, `model_name` in TF Serving, `weights` of the SavedModel,
    and `preset_difference` of the KerasNLP preset's outputs, None if it has the encoder's activation.
    """
    rows = {
        "tasks": [(task.name, task.kind, ", ".join(task.text), ", ".join(task.labels) or "a score") for task in tasks],
        "teachers": [(name, str(count or "not known")) for name, count in provenance.teachers.items()],
        "metrics": [
            (result, metric, _value(summary), str(summary.n))
            for result, values in metrics.results.items()
            for metric, summary in values.items()
        ],
        "calibration": [
            (of.task, *(_value(summarise(values)) for values in (of.nll, of.brier, of.ece)))
            for of in metrics.calibration
        ],
    }
    return render(
        _FILES / layout.CARD,
        layout=layout,
        tasks=tasks,
        provenance=provenance,
        metrics=metrics,
        backbone=backbone,
        rows=rows,
        table=markdown_table,
        **values,
    )


def _value(summary: Summary) -> str:
    if summary.mean is None:
        return "not defined"
    spread = "" if summary.deviation is None else f" ± {summary.deviation:.4f}"
    return f"{summary.mean:.4f}{spread}"


def licence_notes(tasks: Sequence[Task], provenance: Provenance) -> str:
    """Returns the text of the licence notes of released tasks."""
    return render(_FILES / layout.LICENCES, layout=layout, tasks=tasks, provenance=provenance)
