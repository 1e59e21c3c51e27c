from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from mtdnn_tf.data.sources.tables import TableRow, read_rows, read_table
from mtdnn_tf.data.sources.text_records import has_blank_last_rows
from mtdnn_tf.errors import UserError

# What texts really hold: separators of other conventions, control characters, quotes, other scripts.
_TEXTS = [
    'He said "hello", twice.',
    '"',
    "a\x85b\u2028c\u2029d\x0be\x0cf\x1cg\x1dh\x1ei",
    "nul \0 and bell \x07",
    "日本語 🎉 é",
    " spaces ",
    "",
    "back\\slash \\t",
    "\ufeffnot the file's first character",
]


def _read(path: Path, content: str | bytes, required: Sequence[str], **arguments: Any) -> list[TableRow]:
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return list(read_rows(path, required, **arguments))


def _message(path: Path, content: str | bytes, required: Sequence[str] = ("a",)) -> str:
    with pytest.raises(UserError) as caught:
        _read(path, content, required)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_tsv_has_no_quoting(tmp_path: Path):
    content = "number\ttext\n" + "".join(f"{number}\t{text}\n" for number, text in enumerate(_TEXTS))
    rows = _read(tmp_path / "a.tsv", content, ["text"])
    assert [row.cells for row in rows] == [{"text": text} for text in _TEXTS]
    assert [row.line for row in rows] == list(range(2, 2 + len(_TEXTS)))
    assert [row.number for row in rows] == list(range(len(_TEXTS)))


def test_csv_reads_what_csv_wrote(tmp_path: Path):
    texts = [*_TEXTS, "two\nlines", 'quote "and"\n\n\nlines, commas', "\n"]
    written = io.StringIO()
    writer = csv.writer(written, lineterminator="\n", quoting=csv.QUOTE_ALL)
    writer.writerow(["number", "text"])
    writer.writerows(enumerate(texts))
    rows = _read(tmp_path / "a.csv", written.getvalue(), ["number", "text"])
    assert [row.cells["text"] for row in rows] == texts
    breaks = [text.count("\n") for text in texts]
    assert [row.line for row in rows] == [2 + number + sum(breaks[:number]) for number in range(len(texts))]


def test_jsonl_reads_what_json_wrote(tmp_path: Path):
    for ascii_only in (True, False):
        lines = [json.dumps({"text": text, "other": [1, {}]}, ensure_ascii=ascii_only) for text in _TEXTS]
        rows = _read(tmp_path / "a.jsonl", "\n".join(lines), ["text"])
        assert [row.cells for row in rows] == [{"text": text} for text in _TEXTS]


def test_jsons_numbers_keep_their_spelling(tmp_path: Path):
    content = '{"a": 1, "b": 1.50, "c": true, "d": null, "e": NaN, "f": 12345678901234567890123}\n'
    (row,) = _read(tmp_path / "a.jsonl", content, ["a", "b", "c", "d", "e", "f"])
    assert row.cells == {"a": "1", "b": "1.50", "c": "true", "d": None, "e": "NaN", "f": "12345678901234567890123"}


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("last", ["", "\n", "\n\n\n"])
def test_line_ends_byte_order_mark_and_blank_lines_at_the_end(tmp_path: Path, end: str, last: str):
    for ending, separator in ((".tsv", "\t"), (".csv", ",")):
        lines = [separator.join(cells) for cells in (("a", "b"), ("1", "2"), ("3", "4"))]
        content = "\ufeff" + end.join(lines) + last.replace("\n", end)
        rows = _read(tmp_path / f"a{ending}", content, ["a", "b"])
        assert rows == [TableRow(0, 2, {"a": "1", "b": "2"}), TableRow(1, 3, {"a": "3", "b": "4"})]
    content = "\ufeff" + end.join(['{"a": 1}', '{"a": 2}']) + last.replace("\n", end)
    assert [row.cells["a"] for row in _read(tmp_path / "a.jsonl", content, ["a"])] == ["1", "2"]


def test_a_file_without_a_header_takes_its_columns_from_the_caller(tmp_path: Path):
    for ending, separator in ((".tsv", "\t"), (".csv", ",")):
        content = f"x{separator}y\nz{separator}w\n"
        rows = _read(tmp_path / f"a{ending}", content, ["b"], columns=["a", "b"])
        assert rows == [TableRow(0, 1, {"b": "y"}), TableRow(1, 2, {"b": "w"})]


def test_optional_columns(tmp_path: Path):
    (row,) = _read(tmp_path / "a.tsv", "a\tb\n1\t2\n", ["a"], optional=["b", "c"])
    assert row.cells == {"a": "1", "b": "2"}
    rows = _read(tmp_path / "a.jsonl", '{"a": "1"}\n{"a": "1", "b": "2"}\n', ["a"], optional=["b"])
    assert [row.cells for row in rows] == [{"a": "1"}, {"a": "1", "b": "2"}]


def test_rows_of_the_wrong_width_are_numbered_and_say_so(tmp_path: Path):
    for ending, separator in ((".tsv", "\t"), (".csv", ",")):
        content = "a b\n1 2\n3\n4 5 6\n\n7 8\n".replace(" ", separator)
        rows = _read(tmp_path / f"a{ending}", content, ["a"])
        assert [(row.number, row.line, row.cells.get("a")) for row in rows] == [
            (0, 2, "1"), (1, 3, None), (2, 4, None), (3, 5, None), (4, 6, "7")
        ]  # fmt: skip
        assert [row.problem for row in rows] == [
            "",
            "row has 1 column(s), the file has 2",
            "row has 3 column(s), the file has 2",
            "row has 1 column(s), the file has 2",
            "",
        ]


def test_objects_without_a_column_say_so(tmp_path: Path):
    rows = _read(tmp_path / "a.jsonl", '{"text": "x"}\n{"txt": "y"}\n{"text": ["z"]}\n', ["text"])
    assert [row.problem for row in rows] == [
        "",
        "unknown column 'text'; did you mean 'txt'? Accepted: txt",
        "column 'text' must be text or a number, got [\"z\"]",
    ]


def test_an_unknown_column_is_refused_with_the_nearest(tmp_path: Path):
    assert _message(tmp_path / "a.tsv", "label\tutterance\n", ["utterence"]) == (
        f"{tmp_path}/a.tsv:1: unknown column 'utterence'; did you mean 'utterance'? Accepted: label, utterance"
    )


def test_files_that_are_not_of_their_format_are_refused_with_the_line(tmp_path: Path):
    tsv, comma, jsonl = (tmp_path / f"a{ending}" for ending in (".tsv", ".csv", ".jsonl"))
    assert _message(tsv, "").startswith(f"{tsv}: the file is empty")
    assert _message(tsv, "a\ta\n1\t2\n").startswith(f"{tsv}:1: column 'a' is named 2 times")
    latin = "a\nplain\ncafé\n".encode("latin-1")
    assert _message(tsv, latin) == f"{tsv}:3: not UTF-8, its byte 4 is 0xe9; convert the file to UTF-8"
    assert _message(comma, latin).startswith(f"{comma}:3: not UTF-8")
    assert _message(comma, 'a,b\n1,2\n3,"never closed\n4,5\n6,7\n').startswith(f"{comma}:3: not CSV")
    assert _message(comma, 'a,b\n1,2\n3,"a"b\n').startswith(f"{comma}:3: not CSV")
    assert _message(jsonl, '{"a": 1}\n{"a": 1\n').startswith(f"{jsonl}:2: not JSON")
    assert _message(jsonl, '{"a": 1}\n\n{"a": 1}\n').startswith(f"{jsonl}:2: not JSON")
    assert _message(jsonl, '{"a": 1}\n["a"]\n').startswith(f"{jsonl}:2: a line must be one JSON object")
    assert _message(jsonl, '{"a": 1, "b": 2, "a": 3}\n') == f"{jsonl}:1: not accepted JSON (duplicate name 'a')"
    assert _message(jsonl, '{"a": "\\ud83d"}\n').startswith(f"{jsonl}:1: a text has half a surrogate pair")
    assert _message(jsonl, "[" * 100_000 + "\n").startswith(f"{jsonl}:1: not")


def test_unreadable_files_and_unknown_endings_are_refused(tmp_path: Path):
    with pytest.raises(UserError, match=r"a.tsv: cannot be read \(No such file or directory\)"):
        list(read_rows(tmp_path / "a.tsv", ["a"]))
    with pytest.raises(UserError, match=r"unknown ending of a data file '.tab'.* Accepted: .csv, .csv.gz, .jsonl, "):
        read_rows(tmp_path / "a.tab", ["a"])


def test_a_row_may_be_longer_than_csvs_own_limit(tmp_path: Path):
    (row,) = _read(tmp_path / "a.csv", "a\n" + "x" * 1_000_000 + "\n", ["a"])
    assert len(row.cells["a"] or "") == 1_000_000


def test_a_table_is_read_with_every_column_it_has(tmp_path):
    for name, text in (("t.tsv", "b\ta\n1\t2\n3\n"), ("t.csv", 'b,a\n1,"2"\n3\n')):
        (tmp_path / name).write_text(text)
        columns, rows = read_table(tmp_path / name)
        assert columns == ["b", "a"]
        assert list(rows) == [
            TableRow(0, 2, {"b": "1", "a": "2"}),
            TableRow(1, 3, {}, "row has 1 column(s), the file has 2"),
        ]
    (tmp_path / "t.jsonl").write_text('{"b": 1, "a": "x"}\n{"c": null}\n{"d": [1]}\n')
    columns, objects = read_table(tmp_path / "t.jsonl")
    assert columns is None
    assert list(objects) == [
        TableRow(0, 1, {"b": "1", "a": "x"}),
        TableRow(1, 2, {"c": None}),
        TableRow(2, 3, {}, "column 'd' must be text or a number, got [\"1\"]"),
    ]
    (tmp_path / "empty.tsv").write_text("")
    assert read_table(tmp_path / "empty.tsv")[0] == []


_BLANK = [
    # Format, content, texts of the rows, blank lines that are no rows.
    (".tsv", "a\nx\n\ny\n\n\n", ["x", "", "y", "", ""], 0),
    (".tsv", "a\nx\n\ny\n\n", ["x", "", "y", ""], 0),
    (".tsv", "a\nx\n\ny", ["x", "", "y"], 0),
    (".tsv", "a\r\nx\r\n\r\ny\r\n\r\n", ["x", "", "y", ""], 0),
    (".tsv", "a\nx\n  \n \n", ["x", "  ", " "], 0),
    (".tsv", "a\n\n", [""], 0),
    (".tsv", "a\tb\nx\t1\n\n\n", ["x"], 2),
    (".tsv", "a\tb\r\nx\t1\r\n\r\n", ["x"], 1),
    (".tsv", "a\tb\n\t\n", [""], 0),
    (".csv", "a\nx\n\ny\n\n\n", ["x", "", "y", "", ""], 0),
    (".csv", 'a\nx\n""\ny\n""\n', ["x", "", "y", ""], 0),
    (".csv", 'a\n"x\n\n"\n\n', ["x\n\n", ""], 0),
    (".csv", "a\r\nx\r\n\r\n", ["x", ""], 0),
    (".csv", "a\n \n", [" "], 0),
    (".csv", "a,b\nx,1\n\n\n", ["x"], 2),
    (".csv", "a,b\n,\n", [""], 0),
    (".jsonl", '{"a": "x"}\n{"a": ""}\n\n\n', ["x", ""], 2),
    (".jsonl", '{"a": "x"}\n  \r\n', ["x"], 1),
    (".jsonl", '{"a": "x"}', ["x"], 0),
]


@pytest.mark.parametrize(("ending", "content", "texts", "blank"), _BLANK)
def test_rows_in_are_rows_out_and_other_blank_lines_are_counted(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, ending: str, content: str, texts: list[str], blank: int
):
    with caplog.at_level("INFO", "absl"):
        rows = _read(tmp_path / f"a{ending}", content, ["a"])
    assert [row.cells.get("a") for row in rows] == texts
    assert [row.number for row in rows] == list(range(len(texts)))
    assert caplog.messages == ([f"{tmp_path}/a{ending}: {blank} blank line(s) at its end are no rows"] if blank else [])


@pytest.mark.parametrize(
    ("ending", "content", "problem"),
    [
        (".tsv", "a\tb\nx\t1\n\ny\t2\n", "row has 1 column(s), the file has 2"),
        (".csv", "a,b\nx,1\n\ny,2\n", "row has 1 column(s), the file has 2"),
        (".csv", 'a,b\nx,1\n""\n', "row has 1 column(s), the file has 2"),
        (".tsv", "a\tb\nx\t1\n  \n", "row has 1 column(s), the file has 2"),
    ],
)
def test_blank_lines_among_rows_of_several_columns_are_problems(
    tmp_path: Path, ending: str, content: str, problem: str
):
    rows = _read(tmp_path / f"a{ending}", content, ["a"])
    assert [(row.line, row.problem) for row in rows if row.problem] == [(3, problem)]


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("a.tsv", "a\nx\n\n", True),
        ("a.tsv", "a\nx\n", False),
        ("a.tsv", "a\nx", False),
        ("a.csv", "a\r\nx\r\n\r\n", True),
        ("a.csv", "a,b\nx,1\n\n", False),
        ("a.jsonl", '{"a": 1}\n\n', False),
        ("a.tsv", "", False),
    ],
)
def test_blank_lines_at_the_end_that_are_rows_are_found(tmp_path: Path, name: str, content: str, expected: bool):
    (tmp_path / name).write_bytes(content.encode())
    assert has_blank_last_rows(tmp_path / name) is expected
