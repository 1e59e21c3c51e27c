from __future__ import annotations

import csv
import dataclasses
import logging
import os
from pathlib import Path

import pytest

from mtdnn_tf.data.sources.example import Example
from mtdnn_tf.data.sources.files_source import (
    file_fingerprint,
    file_splits,
    read_file_examples,
    split_shards,
    stream_table_rows,
)
from mtdnn_tf.errors import UserError
from mtdnn_tf.tasks.registry import get_task
from mtdnn_tf.tasks.task import SplitFile, Task

_INTENT = Task(
    name="intent",
    kind="classification",
    text=("utterance",),
    labels=("greet", "buy"),
    metrics=("accuracy",),
    files={
        "train": SplitFile("train.tsv"),
        "test": SplitFile("test.tsv", label_required=False),
        "skipping": SplitFile("train.tsv", skip_incomplete_rows=True),
    },
    id="number",
)
_SIMILARITY = Task(
    name="similarity",
    kind="regression",
    text=("first", "second"),
    metrics=("pearson",),
    files={"train": SplitFile("train.jsonl", label="score")},
    id="hash",
)

# Rows read from the folder MTDNN_TF_GLUE_DIR: (task, split): number.
_REAL_ROWS = {
    ("cola", "train"): 8551,
    ("cola", "validation"): 1043,
    ("sst2", "train"): 67349,
    ("sst2", "validation"): 872,
    ("mrpc", "train"): 3668,
    ("mrpc", "validation"): 408,
    ("stsb", "train"): 5749,
    ("stsb", "validation"): 1500,
    ("stsb", "test"): 1379,
    ("qqp", "train"): 20498,
    ("qqp", "validation"): 2999,
    ("mnli", "train"): 12080,
    ("mnli", "validation_matched"): 3901,
    ("mnli", "validation_mismatched"): 3912,
    ("qnli", "train"): 4463,
    ("qnli", "validation"): 1000,
    ("rte", "train"): 2490,
    ("rte", "validation"): 277,
    ("wnli", "train"): 635,
    ("wnli", "validation"): 71,
}


def _write(folder: Path, file: str, *rows: str) -> None:
    path = folder / file
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{row}\n" for row in rows), encoding="utf-8", newline="")


def _message(task: Task, split: str, folder: Path) -> str:
    with pytest.raises(UserError) as caught:
        read_file_examples(task, split, folder)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_columns_are_found_by_name(tmp_path: Path):
    _write(tmp_path, "train.tsv", "label\textra\tnumber\tutterance", "buy\t\tx7\tone, please", "greet\t\tx3\thello")
    assert read_file_examples(_INTENT, "train", tmp_path) == [
        Example("x7", "one, please", None, 1, None),
        Example("x3", "hello", None, 0, None),
    ]


def test_scores_and_hashed_ids(tmp_path: Path):
    row = '{"first": "a", "second": "b", "score": %s}'
    _write(tmp_path, "train.jsonl", row % "1", row % "-2.5e-1", row % '".5"')
    examples = read_file_examples(_SIMILARITY, "train", tmp_path)
    assert [example.label for example in examples] == [1.0, -0.25, 0.5]
    first = examples[0].example_id
    assert [example.example_id for example in examples] == [first, f"{first}-2", f"{first}-3"]


_WEIGHTED = dataclasses.replace(_INTENT, weight="w")


def test_weights_are_read_where_a_file_has_them(tmp_path: Path):
    _write(tmp_path, "train.tsv", "label\tw\tnumber\tutterance", "buy\t0\t1\ta", "greet\t2.5e1\t2\tb")
    assert [example.weight for example in read_file_examples(_WEIGHTED, "train", tmp_path)] == [0.0, 25.0]
    assert [example.weight for example in read_file_examples(_INTENT, "train", tmp_path)] == [1.0, 1.0]
    _write(tmp_path, "test.tsv", "number\tutterance", "1\thello")
    assert read_file_examples(_WEIGHTED, "test", tmp_path)[0].weight == 1.0


@pytest.mark.parametrize(
    ("cell", "shown"), [("", "''"), ("-1", "'-1'"), ("x", "'x'"), ("nan", "'nan'"), ("1e7", "'1e7'")]
)
def test_other_weights_are_refused_with_their_line(tmp_path: Path, cell: str, shown: str):
    _write(tmp_path, "train.tsv", "label\tw\tnumber\tutterance", f"buy\t{cell}\t1\ta")
    expected = f"{tmp_path}/train.tsv:2: column 'w' must be a number from 0 to 1e+06, got {shown}"
    assert _message(_WEIGHTED, "train", tmp_path) == expected


def test_a_training_split_must_have_the_weights(tmp_path: Path):
    _write(tmp_path, "train.tsv", "label\tnumber\tutterance", "buy\t1\ta")
    assert "unknown column 'w'" in _message(_WEIGHTED, "train", tmp_path)


def test_a_label_that_is_not_required_may_be_absent(tmp_path: Path):
    _write(tmp_path, "test.tsv", "number\tutterance", "1\thello")
    assert read_file_examples(_INTENT, "test", tmp_path) == [Example("1", "hello")]
    _write(tmp_path, "test.tsv", "number\tutterance\tlabel", "1\thello\tgreet", "2\tbye\t")
    assert [example.label for example in read_file_examples(_INTENT, "test", tmp_path)] == [0, None]


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("2\thello", "row has 2 column(s), the file has 3"),
        ("2\thello\tbuy\tmore", "row has 4 column(s), the file has 3"),
        ("2\thello\tBuy", "unknown label of task intent 'Buy'; did you mean 'buy'? Accepted: buy, greet"),
        ("2\thello\t", "column 'label' must have a label in every row, got none"),
        ("1\thello\tbuy", "duplicate id '1', also at {folder}/train.tsv:2; ids must be unique"),
        ("\thello\tbuy", "column 'number' must be an id of printable characters, got ''"),
        ("a\x85b\thello\tbuy", "column 'number' must be an id of printable characters, got 'a\\x85b'"),
    ],
)
def test_bad_rows_are_told_with_their_line(tmp_path: Path, row: str, message: str):
    _write(tmp_path, "train.tsv", "number\tutterance\tlabel", "1\thello\tgreet", row, "9\thello\tgreet")
    assert _message(_INTENT, "train", tmp_path) == f"{tmp_path}/train.tsv:3: {message.format(folder=tmp_path)}"


@pytest.mark.parametrize("score", ["NaN", "Infinity", '"high"', '"1_0"', "1e39", '" 1"', "true", '"٣"'])
def test_bad_scores_are_told_with_their_line(tmp_path: Path, score: str):
    _write(tmp_path, "train.jsonl", f'{{"first": "a", "second": "b", "score": {score}}}')
    assert _message(_SIMILARITY, "train", tmp_path).startswith(
        f"{tmp_path}/train.jsonl:1: column 'score' must be a number"
    )


def test_a_null_text_is_refused(tmp_path: Path):
    _write(tmp_path, "train.jsonl", '{"first": "a", "second": null, "score": 1}')
    assert _message(_SIMILARITY, "train", tmp_path).endswith("train.jsonl:1: column 'second' must be text, got null")


def test_incomplete_rows_are_skipped_counted_and_numbered(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    task = dataclasses.replace(_INTENT, id="row")
    _write(tmp_path, "train.tsv", "label\tutterance", "buy\ta", "broken", "\tb", "greet\tc")
    with caplog.at_level(logging.INFO, logger="absl"):
        examples = read_file_examples(task, "skipping", tmp_path)
    assert [(example.example_id, example.text_a) for example in examples] == [("0", "a"), ("3", "c")]
    assert [record.getMessage() for record in caplog.records] == [f"{tmp_path}/train.tsv: skipped 2 incomplete row(s)"]


def test_snlis_rows_without_an_agreed_label_are_skipped(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    row = '{"gold_label": "%s", "sentence1": "a", "sentence2": "b"}'
    _write(tmp_path, "snli_1.0/snli_1.0_dev.jsonl", *(row % label for label in ("-", "neutral", "-", "entailment")))
    with caplog.at_level(logging.INFO, logger="absl"):
        examples = read_file_examples(get_task("snli"), "validation", tmp_path)
    assert [example.label for example in examples] == [1, 0]
    # Skipped rows have no part in the numbers of repeated pairs: TFDS has the rows in another order.
    assert examples[1].example_id == f"{examples[0].example_id}-2"
    assert "skipped 2 row(s) without an agreed label" in caplog.records[0].getMessage()


def test_scitail_has_no_header(tmp_path: Path):
    _write(tmp_path, "SciTailV1.1/tsv_format/scitail_1.0_dev.tsv", 'a "b"\tc\tneutral', "d\te\tentails")
    examples = read_file_examples(get_task("scitail"), "validation", tmp_path)
    assert [example[1:4] for example in examples] == [('a "b"', "c", 1), ("d", "e", 0)]


def test_glues_files_are_read(tmp_path: Path):
    _write(tmp_path, "CoLA/dev.tsv", 'gj04\t1\t\tA "b.', "gj04\t0\t*\tb a")
    _write(tmp_path, "CoLA/test.tsv", "index\tsentence", "0\tA b.")
    _write(tmp_path, "MRPC/dev.tsv", "\ufeffQuality\t#1 ID\t#2 ID\t#1 String\t#2 String", "1\t2\t3\ta\tb")
    _write(tmp_path, "MRPC/test.tsv", "index\t#1 ID\t#2 ID\t#1 String\t#2 String", "0\t2\t3\ta\tb")
    _write(tmp_path, "WNLI/dev.tsv", "index\tsentence1\tsentence2\tlabel", "0\ta\tb\t1", "1\ta\tc\t0")
    _write(tmp_path, "STS-B/test.tsv", "index\tsentence1\tsentence2", "0\ta\tb")
    _write(tmp_path, "AX/AX.tsv", "index\tsentence1\tsentence2", "0\ta\tb")

    def read(task: str, split: str) -> list[Example]:
        return read_file_examples(get_task(task), split, tmp_path)

    acceptable = get_task("cola").labels.index("acceptable")
    assert read("cola", "validation") == [
        Example("0", 'A "b.', None, acceptable),
        Example("1", "b a", None, 1 - acceptable),
    ]
    assert read("cola", "test") == [Example("0", "A b.")]
    assert read("mrpc", "validation") == [Example("0", "a", "b", get_task("mrpc").labels.index("equivalent"))]
    assert read("mrpc", "test") == [Example("0", "a", "b")]
    names = [get_task("wnli").labels[example.label or 0] for example in read("wnli", "validation")]
    assert names == ["entailment", "not_entailment"]
    assert read("stsb", "test") == [Example("0", "a", "b")]
    assert read("ax", "test") == [Example("0", "a", "b")]
    assert file_splits(get_task("cola"), tmp_path) == ["validation", "test"]
    assert file_splits(get_task("rte"), tmp_path) == []


def test_missing_files_and_unknown_splits_are_refused(tmp_path: Path):
    assert _message(_INTENT, "train", tmp_path) == (
        f"{tmp_path}/train.tsv: no such file; split 'train' of task intent is read from it; --data_dir must "
        "name its folder, or --task_file the task file that declares a task of your own"
    )
    assert "did you mean 'train'? Accepted: skipping, test, train" in _message(_INTENT, "trian", tmp_path)


def test_the_fingerprint_changes_with_the_bytes_and_the_way_they_are_read(tmp_path: Path):
    for folder in (tmp_path / "a", tmp_path / "b"):
        _write(folder, "train.tsv", "number\tutterance\tlabel", "1\thello\tgreet")
    first = file_fingerprint(_INTENT, "train", tmp_path / "a")
    assert first == file_fingerprint(_INTENT, "train", tmp_path / "b")
    assert str(tmp_path) not in str(first)
    absolute = dataclasses.replace(_INTENT, files={"train": SplitFile(str(tmp_path / "a" / "train.tsv"))})
    assert file_fingerprint(absolute, "train", tmp_path) == first
    others = [
        dataclasses.replace(_INTENT, labels=("buy", "greet")),
        dataclasses.replace(_INTENT, text=("label",)),
        dataclasses.replace(_INTENT, id="row"),
        dataclasses.replace(_INTENT, file_labels=("buy", "greet")),
        dataclasses.replace(_INTENT, skip_labels=("buy",)),
        dataclasses.replace(_INTENT, files={"train": SplitFile("train.tsv", label=None)}),
    ]
    fingerprints = [file_fingerprint(other, "train", tmp_path / "a") for other in others]
    _write(tmp_path / "b", "train.tsv", "number\tutterance\tlabel", "1\thello\tbuy")
    fingerprints.append(file_fingerprint(_INTENT, "train", tmp_path / "b"))
    assert all(fingerprint != first for fingerprint in fingerprints)
    unread = dataclasses.replace(_INTENT, dropout=0.3, metrics=("f1",))
    assert file_fingerprint(unread, "train", tmp_path / "a") == first


@pytest.mark.real_data
def test_every_glue_file_is_read_whole():
    folder = Path(os.environ["MTDNN_TF_GLUE_DIR"])
    tasks = [get_task(name) for name in dict.fromkeys(name for name, _ in _REAL_ROWS)]
    rows = {
        (task.name, split): len(read_file_examples(task, split, folder))
        for task in tasks
        for split in file_splits(task, folder)
    }
    assert rows == _REAL_ROWS


@pytest.mark.real_data
@pytest.mark.parametrize(("name", "split"), _REAL_ROWS)
def test_real_examples_are_those_that_csv_reads(name: str, split: str):
    task, folder = get_task(name), Path(os.environ["MTDNN_TF_GLUE_DIR"])
    examples = read_file_examples(task, split, folder)
    # Python's own reader of tables, in the dialect of GLUE's own scripts.
    with (folder / task.files[split].path).open(encoding="utf-8", newline="\n") as file:
        reader = csv.DictReader(file, task.files[split].columns, delimiter="\t", quoting=csv.QUOTE_NONE)
        rows = list(reader)
    meaning = {
        "cola": {"0": "unacceptable", "1": "acceptable"},
        "sst2": {"0": "negative", "1": "positive"},
        "mrpc": {"0": "not_equivalent", "1": "equivalent"},
        "qqp": {"0": "not_duplicate", "1": "duplicate"},
        "wnli": {"0": "not_entailment", "1": "entailment"},
    }.get(name, {})
    text_columns = {"mrpc": ("#1 String", "#2 String"), "mnli": ("sentence1", "sentence2")}.get(name, task.text)
    label_column = {"mrpc": "Quality", "qqp": "is_duplicate", "mnli": "gold_label", "stsb": "score"}.get(name, "label")
    assert len(examples) == len(rows)
    for number, (example, row) in enumerate(zip(examples, rows)):
        assert example.example_id == str(number)
        texts = [example.text_a] if example.text_b is None else [example.text_a, example.text_b]
        assert texts == [row[column] for column in text_columns]
        if name == "stsb":
            assert example.label == float(row[label_column])
        else:
            assert example.label is not None
            assert task.labels[example.label] == meaning.get(row[label_column], row[label_column])


@pytest.mark.parametrize(
    ("name", "content", "texts"),
    [
        ("a.tsv", "utterance\nhello\n\nbye\n\n\n", ["hello", "", "bye", "", ""]),
        ("a.csv", "utterance\nhello\n\nbye\n\n\n", ["hello", "", "bye", "", ""]),
        ("a.csv", 'utterance\r\nhello\r\n""\r\n\r\n', ["hello", "", ""]),
        ("a.jsonl", '{"utterance": "hello"}\n{"utterance": ""}\n\n', ["hello", ""]),
    ],
)
def test_an_input_file_has_an_example_per_row(tmp_path: Path, name: str, content: str, texts: list[str]):
    (tmp_path / name).write_bytes(content.encode())
    task = Task("intent", "classification", ("utterance",), ("no", "yes"), ("accuracy",)).with_input(tmp_path / name)
    examples = read_file_examples(task, "input", tmp_path)
    assert [example.text_a for example in examples] == texts
    assert [example.example_id for example in examples] == [str(number) for number in range(len(texts))]


def test_only_the_fingerprint_of_a_file_with_blank_last_rows_says_so(tmp_path: Path):
    task = Task("intent", "classification", ("utterance",), ("no", "yes"), ("accuracy",)).with_input(tmp_path / "a.tsv")
    for content, expected in (("utterance\nhello\n\n", True), ("utterance\nhello\n", None)):
        (tmp_path / "a.tsv").write_text(content)
        assert file_fingerprint(task, "input", tmp_path).get("blank_last_rows") is expected


def test_rows_of_a_table_that_cannot_be_read_are_handed_over(tmp_path):
    lines = [
        b'{"first": "a", "second": "b", "score": 1}',
        b'{"first": "c", "second": ',
        b'{"first": "c", "second": "\xff", "score": 1}',
        b"",
        b'{"first": "c", "second": "d", "score": "high"}',
        b'{"first": "c", "score": 2}',
        b'{"first": "c", "second": "d", "score": 3}',
    ]
    (tmp_path / "train.jsonl").write_bytes(b"\n".join(lines) + b"\n")
    refused: list[UserError] = []
    (table,) = split_shards(_SIMILARITY, "train", tmp_path)
    rows = list(stream_table_rows(_SIMILARITY, "train", tmp_path, table, refused.append))
    assert [(example.text_a, example.label) for _, example in rows] == [("a", 1.0), ("c", 3.0)]
    places, reasons = zip(*(str(error).split(": ", 1) for error in refused))
    assert places == tuple(f"{tmp_path}/train.jsonl:{line}" for line in (2, 3, 4, 5, 6))
    for reason, part in zip(
        reasons, ("not JSON (", "not UTF-8", "(blank line)", "must be a number", "column 'second'")
    ):
        assert part in reason
    with pytest.raises(UserError, match=r"train\.jsonl:2: not JSON"):
        read_file_examples(_SIMILARITY, "train", tmp_path)


@pytest.mark.parametrize("quoted", ['a\t"x', "a"])
def test_a_table_whose_rest_cannot_be_read_is_refused_whatever_may_be_left_out(tmp_path, quoted):
    """A quote that is not closed, or a header without the columns, says nothing about the rows after it."""
    task = dataclasses.replace(_INTENT, files={"train": SplitFile("train.tsv", quoting=True)})
    header = "number\tutterance\tlabel\n" if '"' in quoted else "number\tlabel\n"
    (tmp_path / "train.tsv").write_text(f"{header}1\thello\tgreet\n{quoted}\n2\tbye\tgreet\n")
    (table,) = split_shards(task, "train", tmp_path)
    with pytest.raises(UserError):
        list(stream_table_rows(task, "train", tmp_path, table, lambda error: None))
