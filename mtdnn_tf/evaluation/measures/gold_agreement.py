"""How far a teacher agrees with gold labels, before a student learns from it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from mtdnn_tf.evaluation.measures.calibration import calibration
from mtdnn_tf.evaluation.measures.metrics import compute_metrics
from mtdnn_tf.tasks.task import Task
from mtdnn_tf.text_tables import aligned_table


def gold_agreement(
    task: Task, predictions: np.ndarray, gold: np.ndarray, queries: np.ndarray | None = None
) -> dict[str, float | None] | None:
    """Returns measures of a teacher on labelled rows, None where undefined; None if no row has a gold label.

    They are the number of rows, the task's metrics, `Kind.gold_measures` (accuracy and Cohen's kappa for a
    classification), and for probabilities the mean negative log-likelihood and the expected calibration error.
    Arguments are those of `compute_metrics`.
    """
    kind = task.kind_object
    labelled = kind.labelled(gold, queries)
    if not labelled.any():
        return None
    found: dict[str, float | None] = {"rows": int(labelled.sum())}
    for name, measure in kind.gold_measures.items():
        # Kappa is 0 / 0 where all labels and answers are one label.
        with np.errstate(invalid="ignore"):
            found[name] = measure(gold[labelled], kind.answers(predictions[labelled]))
    found.update(compute_metrics(task, predictions, gold, queries))
    scores = calibration(task, predictions, gold, queries)
    if scores is not None:
        found.update(nll=scores.nll, ece=scores.ece)
    return {name: None if value is None or math.isnan(value) else value for name, value in found.items()}


def agreement_table(agreements: Sequence[Mapping[str, Any]]) -> str:
    """Returns aligned text of `gold_agreement`s, each with the names of its teacher and split."""
    header = list(agreements[0])
    return aligned_table([header, *([_cell(agreement[name]) for name in header] for agreement in agreements)], 2)


def _cell(value: Any) -> str:
    return "-" if value is None else f"{value:.4f}" if isinstance(value, float) else str(value)
