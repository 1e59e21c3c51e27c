"""GLUE's files as its documentation describes them: gluebenchmark.com's FAQ for the submission, the official archives
for the layouts of training and test files. Nothing here is taken from the code's own tables.
"""

from __future__ import annotations

import re
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

_NUMBERED = ("0", "1")
_ENTAILED = ("entailment", "not_entailment")
_THREE_WAY = ("entailment", "neutral", "contradiction")
SCORE = ()

# The spellings that a file of the submission may hold; STS-B's takes a number from 0 to 5.
SUBMISSION: dict[str, tuple[str, ...]] = {
    "CoLA.tsv": _NUMBERED,
    "SST-2.tsv": _NUMBERED,
    "MRPC.tsv": _NUMBERED,
    "STS-B.tsv": SCORE,
    "QQP.tsv": _NUMBERED,
    "MNLI-m.tsv": _THREE_WAY,
    "MNLI-mm.tsv": _THREE_WAY,
    "QNLI.tsv": _ENTAILED,
    "RTE.tsv": _ENTAILED,
    "WNLI.tsv": _NUMBERED,
    "AX.tsv": _THREE_WAY,
}


class TestFile(NamedTuple):
    """An official test file: its path, its header, which of its columns are the texts."""

    path: str
    header: tuple[str, ...]
    texts: tuple[str, ...]


_STSB = ("index", "genre", "filename", "year", "old_index", "source1", "source2", "sentence1", "sentence2")
_MNLI = (
    *("index", "promptID", "pairID", "genre", "sentence1_binary_parse", "sentence2_binary_parse"),
    *("sentence1_parse", "sentence2_parse", "sentence1", "sentence2"),
)
_MRPC = ("index", "#1 ID", "#2 ID", "#1 String", "#2 String")
_QNLI = ("index", "question", "sentence")
_SENTENCES = ("sentence1", "sentence2")

TEST_FILES = {
    "CoLA.tsv": TestFile("CoLA/test.tsv", ("index", "sentence"), ("sentence",)),
    "SST-2.tsv": TestFile("SST-2/test.tsv", ("index", "sentence"), ("sentence",)),
    "MRPC.tsv": TestFile("MRPC/test.tsv", _MRPC, ("#1 String", "#2 String")),
    "STS-B.tsv": TestFile("STS-B/test.tsv", _STSB, _SENTENCES),
    "QQP.tsv": TestFile("QQP/test.tsv", ("id", "question1", "question2"), ("question1", "question2")),
    "MNLI-m.tsv": TestFile("MNLI/test_matched.tsv", _MNLI, _SENTENCES),
    "MNLI-mm.tsv": TestFile("MNLI/test_mismatched.tsv", _MNLI, _SENTENCES),
    "QNLI.tsv": TestFile("QNLI/test.tsv", _QNLI, _QNLI[1:]),
    "RTE.tsv": TestFile("RTE/test.tsv", ("index", *_SENTENCES), _SENTENCES),
    "WNLI.tsv": TestFile("WNLI/test.tsv", ("index", *_SENTENCES), _SENTENCES),
    "AX.tsv": TestFile("AX/AX.tsv", ("index", *_SENTENCES), _SENTENCES),
}


class TrainFile(NamedTuple):
    """An official training file: path, columns, those of the texts and the label, and whether a header names them."""

    path: str
    columns: tuple[str, ...]
    texts: tuple[str, ...]
    label: str
    has_header: bool = True


# By the file of the submission that the trained task answers.
TRAIN_FILES = {
    "CoLA.tsv": TrainFile("CoLA/train.tsv", ("source", "label", "star", "sentence"), ("sentence",), "label", False),
    "SST-2.tsv": TrainFile("SST-2/train.tsv", ("sentence", "label"), ("sentence",), "label"),
    "MRPC.tsv": TrainFile("MRPC/train.tsv", ("Quality", *_MRPC[1:]), ("#1 String", "#2 String"), "Quality"),
    "STS-B.tsv": TrainFile("STS-B/train.tsv", (*_STSB, "score"), _SENTENCES, "score"),
    "QQP.tsv": TrainFile(
        "QQP/train.tsv",
        ("id", "qid1", "qid2", "question1", "question2", "is_duplicate"),
        ("question1", "question2"),
        "is_duplicate",
    ),
    "MNLI-m.tsv": TrainFile("MNLI/train.tsv", (*_MNLI, "label1", "gold_label"), _SENTENCES, "gold_label"),
    "QNLI.tsv": TrainFile(
        "QNLI/train.tsv", ("index", "question", "sentence", "label"), ("question", "sentence"), "label"
    ),
    "RTE.tsv": TrainFile("RTE/train.tsv", ("index", *_SENTENCES, "label"), _SENTENCES, "label"),
    "WNLI.tsv": TrainFile("WNLI/train.tsv", ("index", *_SENTENCES, "label"), _SENTENCES, "label"),
}


def write_test_file(glue: Path, file: str, texts: Sequence[Sequence[str]]) -> None:
    """Writes the test file that a file of the submission answers, of these texts or pairs of texts."""
    layout = TEST_FILES[file]
    rows = [{**dict(zip(layout.texts, row)), layout.header[0]: str(number)} for number, row in enumerate(texts)]
    _write_table(glue / layout.path, layout.header, rows, has_header=True)


def write_train_file(glue: Path, file: str, texts: Sequence[Sequence[str]], labels: Sequence[str]) -> None:
    """Writes the training file of the task that a file of the submission answers."""
    layout = TRAIN_FILES[file]
    rows = [{**dict(zip(layout.texts, row)), layout.label: label} for row, label in zip(texts, labels)]
    _write_table(glue / layout.path, layout.columns, rows, layout.has_header)


def _write_table(path: Path, columns: Sequence[str], rows: Sequence[Mapping[str, str]], has_header: bool) -> None:
    lines = ["\t".join(columns)] if has_header else []
    lines += ["\t".join(row.get(column, "x") for column in columns) for row in rows]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


def check_members(path: Path) -> None:
    """Checks that a zip holds GLUE's eleven files, and them alone, at its top level."""
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None
        names = archive.namelist()
    assert sorted(names) == sorted(SUBMISSION), f"GLUE takes {sorted(SUBMISSION)}, {sorted(names)} given"


def check_file(path: Path, file: str, rows: int) -> list[str]:
    """Checks one file of a submission and returns its predictions, in the order of the test file.

    Args:
        path: The zip.
        file: The file in it.
        rows: Number of rows of the test file.
    """
    with zipfile.ZipFile(path) as archive:
        content = archive.read(file).decode("ascii")
    assert content.endswith("\n"), file
    header, *lines = content[:-1].split("\n")
    assert header == "index\tprediction", f"{file}: header {header!r}"
    assert len(lines) == rows, f"{file}: {rows} rows expected, {len(lines)} given"
    predictions = []
    for number, line in enumerate(lines):
        cells = line.split("\t")
        assert len(cells) == 2, f"{file}: {line!r}"
        assert cells[0] == str(number), f"{file}: index {cells[0]!r} in row {number}"
        if SUBMISSION[file] == SCORE:
            assert re.fullmatch(r"[0-9]+(\.[0-9]+)?", cells[1]), f"{file}: score {cells[1]!r}"
            assert 0.0 <= float(cells[1]) <= 5.0, f"{file}: score {cells[1]!r}"
        else:
            assert cells[1] in SUBMISSION[file], f"{file}: label {cells[1]!r}"
        predictions.append(cells[1])
    return predictions


def check_submission(path: Path, rows: Mapping[str, int]) -> dict[str, list[str]]:
    """Checks a whole submission and returns its predictions by file.

    Args:
        path: The zip.
        rows: Number of rows of each test file, by the file of the submission that answers it.
    """
    check_members(path)
    return {file: check_file(path, file, rows[file]) for file in SUBMISSION}


def check_labels(file: str, predicted: Sequence[str], right: Sequence[str]) -> None:
    """Checks that predicted labels are the right ones, STS-B's within 1 point."""
    assert len(predicted) == len(right)
    for number, (given, expected) in enumerate(zip(predicted, right)):
        same = abs(float(given) - float(expected)) < 1.0 if SUBMISSION[file] == SCORE else given == expected
        assert same, f"{file}: row {number} is {expected}, {given} predicted"
