"""Which examples an ensemble is least sure of, and so are worth a label first (uncertainty sampling)."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mtdnn_tf.data.sources.source import DataSource
from mtdnn_tf.distillation.ensemble import average_predictions
from mtdnn_tf.errors import UserError, unknown_name
from mtdnn_tf.evaluation.runs import RunPredictions, SplitPredictions
from mtdnn_tf.files import write_text
from mtdnn_tf.tasks.task import Task
from mtdnn_tf.text_tables import jsonl_text

VARIANCE, ENTROPY, DISAGREEMENT = MEASURES = ("variance", "entropy", "disagreement")
_ID, _WHY = "id", "why"
_DECIMALS = 6


@dataclasses.dataclass(frozen=True)
class Selection:
    """Which examples of a scoring are written to be labelled.

    Attributes:
        measure: "variance" of the teachers' predictions, "entropy" of their soft targets, or "disagreement": the mean
            KL divergence of the teachers from the mean of their probabilities (McCallum and Nigam 1998), which is the
            entropy of that mean less the mean of the entropies.
        size: Number of examples, or of a ranking's queries, each with all of its candidates.

    Raises:
        UserError: The measure is unknown, or the size is below 1.
    """

    measure: str
    size: int = 100

    def __post_init__(self) -> None:
        if self.measure not in MEASURES:
            raise unknown_name("`rank_by`", self.measure, MEASURES)
        if self.size < 1:
            raise UserError(f"`top` must be an integer >= 1, got {self.size}")

    def file_name(self, task: Task, split: str) -> str:
        """Returns the name of the file with the examples of a split."""
        return f"{task.name}-{split}.{self.measure}.jsonl"

    def check(self, task: Task, num_teachers: int) -> None:
        """Refuses a task whose predictions have no such measure, or whose texts have the names of other columns."""
        if self.measure != ENTROPY and num_teachers < 2:
            raise UserError(f"`rank_by={self.measure}` needs two or more teachers, got {num_teachers}; use {ENTROPY}")
        if self.measure != VARIANCE and task.kind_object.predicts_scores:
            raise UserError(f"`rank_by` must be {VARIANCE} for {task.kind} task {task.name}, got {self.measure}")
        taken = sorted({_ID, _WHY} & {*task.text, task.group})
        if taken:
            raise task.refused(f"`rank_by` writes a column {taken[0]!r}, which is one of its own; rename it")

    def values(
        self, predictions: RunPredictions, scored: SplitPredictions, weights: Sequence[float] | None
    ) -> np.ndarray:
        """Returns the measure of each row, float64 [rows]; all candidates of a query have their mean variance."""
        encoded = predictions.encoded
        kind, queries = encoded.task.kind_object, encoded.queries
        if self.measure == VARIANCE:
            assert scored.variances is not None
            variances = np.asarray(scored.variances, np.float64)
            if queries is None:
                return variances
            return np.asarray((np.bincount(queries, variances) / np.bincount(queries))[queries])
        if self.measure == ENTROPY:
            return np.asarray(kind.entropy(scored.predictions, queries))
        of_mean = kind.entropy(average_predictions(predictions.by_run, weights, predictions.counted), queries)
        of_runs = [np.asarray(kind.entropy(run, queries))[:, np.newaxis] for run in predictions.by_run]
        mean = average_predictions(of_runs, weights, predictions.counted)[:, 0]
        return np.maximum(of_mean - mean, 0.0)  # Rounding makes it a little less than 0 where all teachers agree.

    def rows(self, values: np.ndarray, queries: np.ndarray | None) -> np.ndarray:
        """Returns the numbers of the rows with the largest values, largest first; earlier rows first if equal."""
        order = np.argsort(-values, kind="stable")
        if queries is None:
            return order[: self.size]
        _, first, query_of_row = np.unique(queries[order], return_index=True, return_inverse=True)
        places = np.argsort(np.argsort(first))[query_of_row]
        chosen = places < self.size
        return order[chosen][np.lexsort((order[chosen], places[chosen]))]


def write_examples_to_label(
    path: Path,
    selection: Selection,
    source: DataSource,
    names: Sequence[str],
    predictions: RunPredictions,
    scored: SplitPredictions,
    weights: Sequence[float] | None = None,
) -> None:
    """Writes the examples that a selection takes, most uncertain first, as JSON lines.

    Args:
        path: The file. A line has `id`, query and texts under the names of their columns, and `why`: the measure, the
            answer of the ensemble, and that of each teacher.
        selection: Which examples.
        source: Where their texts are.
        names: Names of the teachers.
        predictions: What each teacher predicts.
        scored: What they predict together.
        weights: One weight per teacher; equal weights by default.
    """
    encoded = predictions.encoded
    values = selection.values(predictions, scored, weights)
    rows = selection.rows(values, encoded.queries)
    ids = [encoded.example_ids[row] for row in rows.tolist()]
    task, examples = encoded.task, source.find(encoded.task, encoded.split, set(ids))

    def why(row: int) -> dict[str, Any]:
        counted = [run for run in range(len(names)) if predictions.counted is None or predictions.counted[run, row]]
        return {
            selection.measure: round(float(values[row]), _DECIMALS),
            "ensemble": _answer(task, scored.predictions[row]),
            "teachers": [{"teacher": names[run], **_answer(task, predictions.by_run[run][row])} for run in counted],
        }

    lines = []
    for row, example_id in zip(rows.tolist(), ids):
        example = examples[example_id]
        query = {} if task.group is None else {task.group: example.group}
        texts = dict(zip(task.text, (example.text_a, example.text_b)))
        lines.append({_ID: example_id, **query, **texts, _WHY: why(row)})
    write_text(path, jsonl_text(lines))


def _answer(task: Task, values: np.ndarray) -> Mapping[str, Any]:
    return task.kind_object.answer_fields(task, values, [round(float(value), _DECIMALS) for value in values])
