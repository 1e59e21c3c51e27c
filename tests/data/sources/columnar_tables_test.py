from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from mtdnn_tf.data.sources.tables import TableRow, read_rows, read_table
from mtdnn_tf.errors import UserError
from tests.data.sources.columnar_files import CLASSES, write_parquet, write_saved_dataset

_TEXTS = ["plain", 'a "b", c', "tab\there\nline", "caf\xe9 \U0001f600", ""]
_LISTED = {"feature": CLASSES, "_type": "List"}


def _cells(path: Path, *names: str, **arguments: Any) -> list[Any]:
    rows = list(read_rows(path, names, **arguments))
    assert [row.number for row in rows] == [row.line for row in rows] == list(range(len(rows)))
    cells = [list(row.cells.values()) for row in rows]
    return [row[0] for row in cells] if len(names) == 1 else cells


def _message(path: Path, *names: str, **arguments: Any) -> str:
    with pytest.raises(UserError) as caught:
        list(read_rows(path, names, **arguments))
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(
    ("values", "cells"),
    [
        (pa.array(_TEXTS), _TEXTS),
        (pa.array(_TEXTS, pa.large_string()), _TEXTS),
        (pa.array(_TEXTS).dictionary_encode(), _TEXTS),
        (pa.array(["a", None]), ["a", None]),
        (pa.array([1, None, -2]), ["1", None, "-2"]),
        (pa.array([0.5, 1e-9, 3.0, None]), ["0.5", "1e-09", "3", None]),
        (pa.array([True, False]), ["true", "false"]),
        (pa.array([None, None], pa.null()), [None, None]),
    ],
)
def test_cells_are_text(tmp_path: Path, values: pa.Array, cells: list[str | None]):
    write_parquet(tmp_path / "a.parquet", {"a": values})
    assert _cells(tmp_path / "a.parquet", "a") == cells
    write_saved_dataset(tmp_path / "saved", [{"a": values}, {"a": values}], {"a": {}})
    assert _cells(tmp_path / "saved", "a") == cells + cells


def test_a_parquet_file_of_pandas_has_the_rows_of_its_jsonl_file(tmp_path: Path):
    frame = pd.DataFrame({"n": range(5), "text": _TEXTS, "score": np.array([1, 0.1, -3, 1e-7, 2.5], np.float32)})
    frame.to_parquet(tmp_path / "a.parquet", engine="pyarrow")
    frame.to_json(tmp_path / "a.jsonl", orient="records", lines=True, double_precision=15)
    parquet = _cells(tmp_path / "a.parquet", "text", "n", "score")
    jsonl = [list(row.cells.values()) for row in read_rows(tmp_path / "a.jsonl", ["text", "n", "score"])]
    assert [row[:2] for row in parquet] == [row[:2] for row in jsonl]
    scores = [[np.float32(row[2]) for row in rows] for rows in (parquet, jsonl)]
    assert scores[0] == scores[1] == list(frame["score"])


@pytest.mark.parametrize("features", [{"y": CLASSES, "ys": _LISTED}, {"y": CLASSES, "ys": [CLASSES]}])
def test_numbers_of_classes_become_names(tmp_path: Path, features: dict[str, Any]):
    columns = {"y": [1, 0, -1], "ys": [[0, 1], [], [1]]}
    write_parquet(tmp_path / "a.parquet", columns, features)
    write_saved_dataset(tmp_path / "saved", [columns], features)
    expected = [["greet", '["buy", "greet"]'], ["buy", "[]"], [None, '["greet"]']]
    for path in (tmp_path / "a.parquet", tmp_path / "saved"):
        assert _cells(path, "y", "ys", lists=["ys"]) == expected


def test_optional_columns_and_all_columns(tmp_path: Path):
    write_parquet(tmp_path / "a.parquet", {"a": ["x"], "b": [1], "c.d": ["y"]})
    (row,) = read_rows(tmp_path / "a.parquet", ["c.d"], ["b", "z"])
    assert row == TableRow(0, 0, {"c.d": "y", "b": "1"})
    names, rows = read_table(tmp_path / "a.parquet")
    assert names == ["a", "b", "c.d"]
    assert list(rows) == [TableRow(0, 0, {"a": "x", "b": "1", "c.d": "y"})]


def test_a_saved_data_set_may_have_no_row(tmp_path: Path):
    write_saved_dataset(tmp_path, [], {"a": {}})
    assert _cells(tmp_path, "a") == []


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"text": ["x"]}, "{path}: unknown column 'a'. Accepted: text"),
        ({"a": [{"b": "x"}]}, "{path}: column 'a' must hold text or numbers, got struct<b: string>"),
        ({"a": [["x"]]}, "{path}: column 'a' must hold text or numbers, got list<"),
        ({"a": [b"x"]}, "{path}: column 'a' must hold text or numbers, got binary"),
    ],
)
def test_columns_that_cannot_be_read_are_refused(tmp_path: Path, columns: dict[str, Any], message: str):
    write_parquet(tmp_path / "a.parquet", columns)
    write_saved_dataset(tmp_path / "saved", [columns], {})
    for path in (tmp_path / "a.parquet", tmp_path / "saved"):
        assert _message(path, "a").startswith(message.format(path=path))


def test_lists_are_refused_where_they_are_nested(tmp_path: Path):
    write_parquet(tmp_path / "a.parquet", {"a": [[["x"]]]})
    assert "must hold text, numbers or lists of them, got list<" in _message(tmp_path / "a.parquet", "a", lists=["a"])


def test_an_unknown_class_is_refused_with_its_row(tmp_path: Path):
    write_parquet(tmp_path / "a.parquet", {"y": [0, 1, 1, 2]}, {"y": CLASSES})
    assert _message(tmp_path / "a.parquet", "y") == (
        f"{tmp_path}/a.parquet, row 3: column 'y' must be -1 for none or the number of one of 2 classes, from 0, got 2"
    )


def test_damaged_parquet_files_are_refused(tmp_path: Path):
    path = tmp_path / "a.parquet"
    write_parquet(path, {"a": [f"text {number}" for number in range(100)]})
    whole = path.read_bytes()
    for damaged in (b"", b"a\nx\n", whole[:-1], whole[:100], b"\0" * 300 + whole[300:]):
        path.write_bytes(damaged)
        assert _message(path, "a").startswith(f"{path}: not Parquet, or damaged (")


def test_damaged_saved_data_sets_are_refused(tmp_path: Path):
    path = tmp_path / "data-00000-of-00002.arrow"
    part = {"a": [f"text {number}" for number in range(100)]}

    def message() -> str:
        found = _message(tmp_path, "a")
        write_saved_dataset(tmp_path, [part, part], {"a": {}})
        return found

    write_saved_dataset(tmp_path, [part, part], {"a": {}})
    whole = path.read_bytes()
    for damaged in (b"", b"a\nx\n", whole[:100], whole[:-100]):
        path.write_bytes(damaged)
        assert message().startswith(f"{path}: not an Arrow stream, or damaged (")
    path.write_bytes(whole.replace(b"text 1", b"te\xfft 1"))
    assert message().startswith(f"{path}: not an Arrow stream, or damaged (")
    path.unlink()
    assert message().startswith(f"{path}: not an Arrow stream, or damaged (")
    write_saved_dataset(tmp_path / "other", [{"b": ["x"]}], {})
    (tmp_path / "other" / "data-00000-of-00001.arrow").rename(tmp_path / "data-00001-of-00002.arrow")
    assert message() == f"{tmp_path}/data-00001-of-00002.arrow: columns must be those of {path.name}, got b"


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        ("state.json", {"_data_files": [{"filename": "../a.arrow"}]}, "must list only files within its folder"),
        ("state.json", {"_data_files": ["a.arrow"]}, "must list `_data_files`, got ['a.arrow']"),
        ("state.json", {"_data_files": [], "_indices_data_files": [{}]}, "must hold all rows, got a selection"),
        ("dataset_info.json", {"features": None}, "must list `features`, got None"),
        ("dataset_info.json", None, "no such file"),
    ],
)
def test_other_descriptions_of_saved_data_sets_are_refused(tmp_path: Path, file: str, content: Any, message: str):
    write_saved_dataset(tmp_path, [{"a": ["x"]}], {"a": {}})
    if content is None:
        (tmp_path / file).unlink()
    else:
        (tmp_path / file).write_text(json.dumps(content))
    assert _message(tmp_path, "a").startswith(f"{tmp_path}/{file}: {message}")


def test_text_files_are_read_without_pyarrow(tmp_path: Path):
    (tmp_path / "a.tsv").write_text("a\nx\n")
    code = (
        "import sys, pathlib; from mtdnn_tf.data.sources.tables import read_rows; "
        f"list(read_rows(pathlib.Path({str(tmp_path / 'a.tsv')!r}), ['a'])); assert 'pyarrow' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
