from __future__ import annotations

import csv
import gzip
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from mtdnn_tf.data.sources.tables import read_rows
from mtdnn_tf.errors import UserError

_TEXTS = ["plain", "a\tb", 'a "b", c', "two\nlines", '"', "", "caf\xe9"]


def _message(path: Path, **arguments: Any) -> str:
    with pytest.raises(UserError) as caught:
        list(read_rows(path, ["a"], **arguments))
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(
    ("ending", "content"),
    [
        (".tsv", 'a\tb\n"x\t1\n\u2028y\t2\n'),
        (".csv", 'a,b\n"x\ny",1\nz,2\n'),
        (".jsonl", '{"a": "x"}\n{"a": "y"}\n\n'),
        (".tsv", ""),
        (".tsv", "a\n\n"),
    ],
)
def test_a_compressed_file_has_the_rows_of_the_plain_one(tmp_path: Path, ending: str, content: str):
    plain, compressed = tmp_path / f"a{ending}", tmp_path / f"a{ending}.gz"
    plain.write_bytes(content.encode())
    compressed.write_bytes(gzip.compress(content.encode()))
    if content:
        assert list(read_rows(compressed, ["a"])) == list(read_rows(plain, ["a"]))
    else:
        assert _message(compressed) == _message(plain).replace("a.tsv", "a.tsv.gz")


def test_damaged_compressed_files_are_refused_with_the_line(tmp_path: Path):
    path = tmp_path / "a.tsv.gz"
    whole = gzip.compress(b"a\n" + b"".join(b"row %d\n" % (number * number) for number in range(30_000)))
    for damaged, line in ((b"a\nx\n", 1), (whole[:-9], None), (whole[:-1], None), (whole[:9000] + b"xxxx", None)):
        path.write_bytes(damaged)
        message = _message(path)
        assert "not gzip, or damaged (" in message
        number = int(message.removeprefix(f"{path}:").partition(":")[0])
        assert number == line if line else number > 1000


@pytest.mark.parametrize("ending", [".tsv", ".tsv.gz"])
def test_quoted_tsv_of_pandas_is_read_by_choice(tmp_path: Path, ending: str):
    path = tmp_path / f"a{ending}"
    frame = pd.DataFrame({"a": _TEXTS, "n": range(len(_TEXTS))})
    frame.to_csv(path, sep="\t", index=False, quoting=csv.QUOTE_MINIMAL)
    rows = list(read_rows(path, ["a", "n"], quoting=True))
    assert [row.cells for row in rows] == [{"a": text, "n": str(number)} for number, text in enumerate(_TEXTS)]
    assert any(row.problem for row in read_rows(path, ["a", "n"]))


def test_quotes_are_text_without_the_choice(tmp_path: Path):
    (tmp_path / "a.tsv").write_text('a\tb\n"x"\t""\n')
    (row,) = read_rows(tmp_path / "a.tsv", ["a", "b"])
    assert row.cells == {"a": '"x"', "b": '""'}
    (row,) = read_rows(tmp_path / "a.tsv", ["a", "b"], quoting=True)
    assert row.cells == {"a": "x", "b": ""}


def test_a_quote_that_is_not_closed_is_refused_with_its_line(tmp_path: Path):
    (tmp_path / "a.tsv").write_text('a\tb\nx\t1\n"y\t2\nz\t3\n')
    assert _message(tmp_path / "a.tsv", quoting=True).startswith(f"{tmp_path}/a.tsv:3: not quoted TSV (")
