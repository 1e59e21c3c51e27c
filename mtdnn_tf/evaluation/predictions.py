"""A model's predictions for one split, and the file that holds them."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mtdnn_tf.files import write_text
from mtdnn_tf.kinds.values import LIST_SEPARATOR
from mtdnn_tf.tasks.task import Task
from mtdnn_tf.text_tables import check_format, jsonl_text, tsv_text

_DECIMALS = 6


@dataclasses.dataclass(frozen=True)
class Predictions:
    """What a model predicts for one split of a task."""

    task: Task
    split: str
    example_ids: Sequence[str]
    # Float [rows, num_outputs]: class probabilities, or in one column the scores of a regression, or each candidate's
    # probability among those of its query.
    values: np.ndarray

    def __post_init__(self) -> None:
        if self.values.shape != (len(self.example_ids), self.task.num_outputs):
            raise ValueError(
                f"task {self.task.name}: values of shape {self.values.shape} for "
                f"{len(self.example_ids)} examples and {self.task.num_outputs} outputs"
            )


def write_predictions(path: Path, predictions: Predictions) -> None:
    """Writes one row per example: its id, then its label and the probability of every label, or its score.

    Args:
        path: A .tsv with the columns `id`, `label` and `probability_<label>` of each label, or a .jsonl with `id`,
            `label` and `probabilities` by label. In place of label and probabilities, a regression has `score`, a
            ranking `probability`.
        predictions: What to write.

    Raises:
        UserError: The ending is not accepted, or an id does not fit in a .tsv.
    """
    check_format(path, "predictions")
    task, none = predictions.task, np.zeros(predictions.task.num_outputs)
    header, *answers = (
        task.kind_object.answer_fields(task, values, [round(float(value), _DECIMALS) for value in values])
        for values in (none, *predictions.values)
    )
    rows = zip(predictions.example_ids, answers)
    if path.suffix == ".jsonl":
        write_text(path, jsonl_text({"id": of, **answer} for of, answer in rows))
    else:
        cells = [["id", *_cells(header)], *([of, *_cells(answer).values()] for of, answer in rows)]
        write_text(path, tsv_text(path, cells))


def _cells(answer: Mapping[str, Any]) -> dict[str, str]:
    """Returns an answer as cells of a TSV file, by column."""
    cells: dict[str, str] = {}
    for name, value in answer.items():
        if isinstance(value, Mapping):
            cells.update({f"probability_{label}": f"{number:.{_DECIMALS}f}" for label, number in value.items()})
        else:
            text = LIST_SEPARATOR.join(value) if isinstance(value, list) else value
            cells[name] = text if isinstance(text, str) else f"{text:.{_DECIMALS}f}"
    return cells
