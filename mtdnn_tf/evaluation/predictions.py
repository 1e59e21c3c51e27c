"""A model's predictions for one split, and the file that holds them."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mtdnn_tf.errors import UserError
from mtdnn_tf.files import write_text
from mtdnn_tf.kinds.values import LIST_SEPARATOR
from mtdnn_tf.tasks.task import Task

_DECIMALS = 6
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


def _answers(predictions: Predictions) -> Iterator[dict[str, Any]]:
    """Yields what each row's answer is, numbers rounded."""
    task = predictions.task
    for values in predictions.values:
        yield task.kind_object.answer_fields(task, values, [round(float(value), _DECIMALS) for value in values])


def _tsv_lines(path: Path, predictions: Predictions) -> list[str]:
    task, none = predictions.task, np.zeros(predictions.task.num_outputs)
    rows = [["id", *_flat(task.kind_object.answer_fields(task, none, none.tolist()))]]
    rows += [
        [example_id, *_flat(answer).values()]
        for example_id, answer in zip(predictions.example_ids, _answers(predictions))
    ]
    for row in rows:
        if any(character in field for field in row for character in "\t\n\r"):
            raise UserError(f"{path}: {row[0]!r} holds a tab or line break, which a .tsv cannot; write a .jsonl")
    return ["\t".join(row) for row in rows]


def _flat(answer: Mapping[str, Any]) -> dict[str, str]:
    """Returns an answer as cells by column."""
    cells: dict[str, str] = {}
    for name, value in answer.items():
        if isinstance(value, Mapping):
            cells.update({f"probability_{label}": f"{number:.{_DECIMALS}f}" for label, number in value.items()})
        else:
            text = LIST_SEPARATOR.join(value) if isinstance(value, list) else value
            cells[name] = text if isinstance(text, str) else f"{text:.{_DECIMALS}f}"
    return cells


def _jsonl_lines(predictions: Predictions) -> list[str]:
    rows = zip(predictions.example_ids, _answers(predictions))
    return [
        json.dumps({"id": example_id, **answer}, ensure_ascii=False, allow_nan=False) for example_id, answer in rows
    ]
