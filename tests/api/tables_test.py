from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest

from mtdnn_tf.api.tables import is_table, write_table
from mtdnn_tf.api.tasks import Classification, MultiLabel, Ranking, Regression
from mtdnn_tf.errors import UserError

INTENT = Classification("intent", "utterance", ["book", "cancel"])
ROWS: dict[str, Any] = {"utterance": ["a room", "no room"], "label": ["book", "cancel"], "other": [1, 2]}


def _written(table, task, tmp_path, has_label=True):
    path = write_table(table, task, "train", tmp_path / "inputs", has_label)
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


EXPECTED = [{"utterance": "a room", "label": "book"}, {"utterance": "no room", "label": "cancel"}]


@pytest.mark.parametrize(
    "table",
    [
        ROWS,
        {name: tuple(values) for name, values in ROWS.items()},
        {name: np.array(values) for name, values in ROWS.items()},
        pd.DataFrame(ROWS),
        {**ROWS, "label": [0, 1]},
        {**ROWS, "label": np.array([0, 1])},
        pd.DataFrame({**ROWS, "label": [0, 1]}),
        pl.DataFrame(ROWS),
        pl.DataFrame({**ROWS, "label": [0, 1]}),
    ],
)
def test_tables_of_any_type_give_the_same_rows(table, tmp_path):
    assert _written(table, INTENT, tmp_path) == EXPECTED


def test_numbers_that_are_labels_names_stay_names(tmp_path):
    task = Classification("stars", "review", ["1", "2", "3"])
    assert _written({"review": ["bad"], "label": [1]}, task, tmp_path) == [{"review": "bad", "label": "1"}]


def test_numbers_are_refused_beside_names_that_are_numbers(tmp_path):
    task = Classification("stars", "review", ["1", "2", "3"])
    assert _written({"review": ["bad"], "label": [0]}, task, tmp_path) == [{"review": "bad", "label": "0"}]


def test_numbers_of_a_data_sets_classes_become_their_names(tmp_path):
    """A table that has the attributes of a Hugging Face Dataset that are read."""

    class Dataset(dict):
        column_names = ("review", "label")
        features = {"label": SimpleNamespace(names=["1", "2", "3"])}  # noqa: RUF012

    task = Classification("stars", "review", ["1", "2", "3"])
    rows = _written(Dataset(review=["bad", "good"], label=[0, 2]), task, tmp_path)
    assert [row["label"] for row in rows] == ["1", "3"]
    rows = _written(Dataset(review=["bad", "good"], label=[-1, 2]), task, tmp_path, has_label=False)
    assert [row.get("label") for row in rows] == [None, "3"]


@pytest.mark.parametrize("frame", [pd.DataFrame, pl.DataFrame])
def test_numbers_beside_missing_values_are_labels(frame, tmp_path):
    table = frame({"utterance": ["a", "b"], "label": [1, None]})
    rows = _written(table, INTENT, tmp_path, has_label=False)
    assert rows == [{"utterance": "a", "label": "cancel"}, {"utterance": "b"}]


def test_scores_lists_ids_and_groups_are_kept(tmp_path):
    score = Regression("score", ("a", "b"), id="key")
    table = {"a": ["x"], "b": ["y"], "score": [np.float32(2.5)], "key": [7]}
    assert _written(table, score, tmp_path) == [{"a": "x", "b": "y", "key": "7", "score": 2.5}]
    topics = MultiLabel("topics", "t", ["n", "s"])
    expected = [{"t": "x", "labels": ["n", "s"]}, {"t": "y", "labels": []}]
    assert _written({"t": ["x", "y"], "labels": [[0, "s"], []]}, topics, tmp_path) == expected
    assert _written(pl.DataFrame({"t": ["x", "y"], "labels": [["n", "s"], []]}), topics, tmp_path) == expected
    ranking = Ranking("answers", ["q", "d"], group="query")
    assert _written({"q": ["a"], "d": ["b"], "query": ["1"], "label": [1]}, ranking, tmp_path) == [
        {"q": "a", "d": "b", "query": "1", "label": "1"}
    ]


@pytest.mark.parametrize("frame", [pd.DataFrame, pl.DataFrame, dict])
def test_weights_of_rows_are_kept(frame, tmp_path):
    task = Classification("intent", "utterance", ["book", "cancel"], weight="count")
    table = frame({"utterance": ["a", "b"], "label": ["book", "cancel"], "count": [3, 1]})
    assert [row["count"] for row in _written(table, task, tmp_path)] == [3.0, 1.0]
    plain = frame({"utterance": ["a"], "label": ["book"]})
    with pytest.raises(UserError, match="task intent, split train: column 'count' is missing"):
        _written(plain, task, tmp_path)
    with pytest.raises(UserError, match="row 1: column 'count' must be a number from 0 to 1e\\+06, got '-1'"):
        _written({**table, "count": [3, -1]} if frame is dict else frame({**ROWS, "count": [3, -1]}), task, tmp_path)
    path = write_table(plain, task, "validation", tmp_path, has_label=True)
    assert "count" not in path.read_text()


def test_ids_are_spelled_as_integers_where_numbers_are_missing(tmp_path):
    task = Classification("intent", "utterance", ["book"], id="key")
    table = pd.DataFrame({"utterance": ["a", "b"], "label": ["book", "book"], "key": [7, None]})
    assert _written(table[:1], task, tmp_path)[0]["key"] == "7"
    with pytest.raises(UserError, match="task intent, split train, row 1: column 'key' must have a value, got nan"):
        _written(table, task, tmp_path)


def test_rows_without_a_label_are_for_splits_that_need_none(tmp_path):
    table = pd.DataFrame({"utterance": ["a", "b"], "label": ["book", None]})
    rows = _written(table, INTENT, tmp_path, has_label=False)
    assert rows == [{"utterance": "a", "label": "book"}, {"utterance": "b"}]
    with pytest.raises(UserError, match=r"task intent, split train, row 1: column 'label' is empty"):
        _written(table, INTENT, tmp_path)


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"label": ["book"]}, "task intent, split train: column 'utterance' is missing; the columns are label"),
        ({"utterance": ["a"]}, "column 'label' is missing"),
        ({"utterance": ["a", None], "label": ["book", "book"]}, "row 1: column 'utterance' must be text, got None"),
        ({"utterance": [float("nan")], "label": ["book"]}, "row 0: column 'utterance' must be text, got nan"),
        ({"utterance": ["a"], "label": ["book", "book"]}, "same number of rows, got utterance 1, label 2"),
        (42, "must be a file, a mapping of columns"),
    ],
)
def test_bad_tables_are_refused_with_their_place(table, message, tmp_path):
    with pytest.raises(UserError, match=message):
        _written(table, INTENT, tmp_path)
    assert not (tmp_path / "inputs").exists()


def test_a_file_is_named_by_its_content_and_written_once(tmp_path):
    first = write_table(ROWS, INTENT, "train", tmp_path, True)
    before = first.stat().st_mtime_ns
    assert write_table(pd.DataFrame(ROWS), INTENT, "train", tmp_path, True) == first
    assert first.stat().st_mtime_ns == before
    assert write_table({**ROWS, "utterance": ["b", "c"]}, INTENT, "train", tmp_path, True) != first


def test_a_file_is_taken_as_it_is(tmp_path):
    assert write_table(tmp_path / "a.tsv", INTENT, "train", tmp_path, True) == (tmp_path / "a.tsv").resolve()


def test_tables_and_splits_are_told_apart():
    assert is_table(ROWS) and is_table(pd.DataFrame(ROWS)) and is_table("a.csv") and is_table({})
    assert not any(map(is_table, ({"train": ROWS}, {"train": "a.csv"}, {"train": pd.DataFrame(ROWS)})))
