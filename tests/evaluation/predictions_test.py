from __future__ import annotations

import csv
import json

import numpy as np
import pytest

from mtdnn_tf.errors import UserError
from mtdnn_tf.evaluation.predictions import Predictions, write_predictions
from mtdnn_tf.tasks.task import Task

_INTENT = Task(
    name="intent",
    kind="classification",
    text=("text",),
    labels=("greet", "buy", "läuft"),
    metrics=("accuracy",),
)
_SCORED = Task(name="scored", kind="regression", text=("text",), metrics=("pearson",))
_PROBABILITIES = np.array([[0.25, 0.5, 0.25], [0.125, 0.0, 0.875]], np.float32)


def test_tsv_has_the_label_and_the_probability_of_every_label(tmp_path):
    path = tmp_path / "predictions.tsv"
    write_predictions(path, Predictions(_INTENT, "test", ["7", "row é"], _PROBABILITIES))
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
    assert [(row["id"], row["label"]) for row in rows] == [("7", "buy"), ("row é", "läuft")]
    written = [[float(row[f"probability_{label}"]) for label in _INTENT.labels] for row in rows]
    np.testing.assert_allclose(written, _PROBABILITIES, atol=1e-6)


def test_jsonl_names_the_labels(tmp_path):
    path = tmp_path / "predictions.jsonl"
    write_predictions(path, Predictions(_INTENT, "test", ["7", "tab\there"], _PROBABILITIES))
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    assert rows == [
        {"id": "7", "label": "buy", "probabilities": {"greet": 0.25, "buy": 0.5, "läuft": 0.25}},
        {"id": "tab\there", "label": "läuft", "probabilities": {"greet": 0.125, "buy": 0.0, "läuft": 0.875}},
    ]


def test_regression_has_a_score(tmp_path):
    predictions = Predictions(_SCORED, "test", ["0", "1"], np.array([[1.5], [-0.25]], np.float32))
    write_predictions(tmp_path / "p.tsv", predictions)
    write_predictions(tmp_path / "p.jsonl", predictions)
    assert (tmp_path / "p.tsv").read_text() == "id\tscore\n0\t1.500000\n1\t-0.250000\n"
    lines = (tmp_path / "p.jsonl").read_text().splitlines()
    assert [json.loads(line) for line in lines] == [{"id": "0", "score": 1.5}, {"id": "1", "score": -0.25}]


@pytest.mark.parametrize("name", ["p.csv", "p", "p.TSV"])
def test_other_endings_are_refused(tmp_path, name):
    with pytest.raises(UserError, match=r"\.tsv or \.jsonl"):
        write_predictions(tmp_path / name, Predictions(_INTENT, "test", ["0", "1"], _PROBABILITIES))
    assert not list(tmp_path.iterdir())


def test_an_id_that_would_break_a_tsv_is_refused(tmp_path):
    with pytest.raises(UserError, match="tab or line break"):
        write_predictions(tmp_path / "p.tsv", Predictions(_INTENT, "test", ["0", "a\tb"], _PROBABILITIES))
    assert not list(tmp_path.iterdir())


def test_values_of_another_shape_are_refused():
    with pytest.raises(ValueError, match="3 outputs"):
        Predictions(_INTENT, "test", ["0"], _PROBABILITIES)
