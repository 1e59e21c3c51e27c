"""A model's predictions for one split, and the file that holds them."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mtdnn_tf.errors import UserError
from mtdnn_tf.files import write_text
from mtdnn_tf.tasks.task import CLASSIFICATION, RANKING, REGRESSION, Task

_DECIMALS = 6
_ONE_COLUMN = {REGRESSION: "score", RANKING: "probability"}
_FORMATS = (".tsv", ".jsonl")


@dataclasses.dataclass(frozen=True)
class Predictions:
    """What a model predicts for one split of a task.

    Attributes:
        task: The task.
        split: Name of the split.
        example_ids: The example of each row.
        values: Float [rows, num_outputs]: class probabilities, or in one column the scores of a regression, or each
            candidate's probability among those of its query.
    """

    task: Task
    split: str
    example_ids: Sequence[str]
    values: np.ndarray

    def __post_init__(self) -> None:
        if self.values.shape != (len(self.example_ids), self.task.num_outputs):
            raise ValueError(
                f"task {self.task.name}: values of shape {self.values.shape} for "
                f"{len(self.example_ids)} examples and {self.task.num_outputs} outputs"
            )

    def labels(self) -> list[str]:
        """Returns the name of each row's most probable label."""
        return [self.task.labels[index] for index in self.values.argmax(axis=1)]


def check_format(path: Path) -> None:
    """Refuses a file whose ending is no format of predictions."""
    if path.suffix not in _FORMATS:
        raise UserError(f"{path}: predictions are written to a file ending in {' or '.join(_FORMATS)}")


def write_predictions(path: Path, predictions: Predictions) -> None:
    """Writes one row an example: its id, then its label and the probability of every label, or its score.

    Args:
        path: The file; its ending decides the format. A .tsv has the columns `id`, `label` and one
            `probability_<label>` a label, or `id`, `score`; a .jsonl has the fields `id`, `label` and
            `probabilities` by label name, or `id`, `score`. Of a ranking `score` is `probability`.
        predictions: What to write.

    Raises:
        UserError: The ending is not accepted, or an id does not fit in a .tsv.
    """
    check_format(path)
    lines = _tsv_lines(path, predictions) if path.suffix == ".tsv" else _jsonl_lines(predictions)
    write_text(path, "".join(f"{line}\n" for line in lines))


def _tsv_lines(path: Path, predictions: Predictions) -> list[str]:
    task = predictions.task
    if task.kind == CLASSIFICATION:
        rows = [["id", "label", *(f"probability_{label}" for label in task.labels)]]
        leading = [list(pair) for pair in zip(predictions.example_ids, predictions.labels())]
    else:
        rows = [["id", _ONE_COLUMN[task.kind]]]
        leading = [[example_id] for example_id in predictions.example_ids]
    for texts, values in zip(leading, predictions.values):
        rows.append([*texts, *(f"{value:.{_DECIMALS}f}" for value in values)])
    for row in rows:
        if any(character in field for field in row for character in "\t\n\r"):
            raise UserError(f"{path}: {row[0]!r} holds a tab or line break, which a .tsv cannot; write a .jsonl")
    return ["\t".join(row) for row in rows]


def _jsonl_lines(predictions: Predictions) -> list[str]:
    task = predictions.task
    values = [[round(float(value), _DECIMALS) for value in row] for row in predictions.values]
    rows: list[dict[str, Any]]
    if task.kind == CLASSIFICATION:
        rows = [
            {"id": example_id, "label": label, "probabilities": dict(zip(task.labels, row))}
            for example_id, label, row in zip(predictions.example_ids, predictions.labels(), values)
        ]
    else:
        name = _ONE_COLUMN[task.kind]
        rows = [{"id": example_id, name: row[0]} for example_id, row in zip(predictions.example_ids, values)]
    return [json.dumps(row, ensure_ascii=False, allow_nan=False) for row in rows]
