from __future__ import annotations

import dataclasses
import re
from pathlib import Path

import numpy as np
import pytest

from mtdnn_tf.data.checks import DataChecks, text_hashes
from mtdnn_tf.data.encoded_split import EncodedSplit
from mtdnn_tf.data.encoding import EncodedData
from mtdnn_tf.data.sources.source import DataSource
from mtdnn_tf.data.word_pieces import WordPieceTokenizer
from mtdnn_tf.errors import UserError
from mtdnn_tf.tasks.task import SplitFile, Task
from tests.helpers import VOCABULARY

_TOKENIZER = WordPieceTokenizer(VOCABULARY, lowercase=True)
_MOOD = Task("mood", "classification", ("text",), ("bad", "good"), ("accuracy",), id="hash")
_FILES = {name: SplitFile(f"{name}.tsv") for name in ("train", "validation")}
_SINGLE = dataclasses.replace(_MOOD, files=_FILES)
_PAIR = dataclasses.replace(_SINGLE, text=("one", "two"))
_SCORE = dataclasses.replace(_SINGLE, kind="regression", labels=(), metrics=("pearson",))
_RANKING = dataclasses.replace(_PAIR, kind="ranking", labels=("no", "yes"), metrics=("map",))
_LABELS = dataclasses.replace(_SINGLE, kind="multi_label", labels=("x", "y"), metrics=("f1_micro",))
_FEW = "task mood: has 2 training rows, less than a batch of 3"


def _lines(task: Task, folder: Path, train: list[str], validation: list[str], caplog, **options) -> list[str]:
    """Returns what is logged of the rows of a task, whose cells are separated by "|"."""
    for name, rows in (("train", train), ("validation", validation)):
        lines = ["\t".join([*task.text, "label"]), *(row.replace("|", "\t") for row in rows)]
        (folder / f"{name}.tsv").write_text("".join(f"{line}\n" for line in lines))
    data = EncodedData(DataSource("files", folder), _TOKENIZER, options.pop("length", 32), folder / "cache")
    encoded, development = data.split(task, "train"), [data.split(task, "validation")]
    caplog.clear()
    with caplog.at_level("WARNING", "absl"):
        DataChecks(options.pop("fail_on_leak", False)).check(
            encoded, np.arange(len(encoded)), development, _TOKENIZER, **options
        )
    return caplog.messages


def _leak(count: int, rows: int, share: str, task: str = "mood") -> str:
    return f"task {task}, split validation: {count} of {rows} rows ({share}) have the texts of rows that are trained on"


def _unknown(count: int, rows: int, split: str = "train") -> str:
    return f"task mood, split {split}: {count} of {rows} rows have no known word piece: their texts are empty or [UNK]"


def _contradiction(count: int) -> str:
    return f"task mood: {count} text(s) have different labels in the training rows"


@pytest.mark.parametrize(
    ("task", "train", "validation", "expected"),
    [
        (_SINGLE, ["the cat|good", "a dog|bad"], ["the bird|good"], []),
        # Development rows that are trained on.
        (_SINGLE, ["the cat|good", "a dog|bad"], ["the cat|good", "the bird|bad"], [_leak(1, 2, "50.0%")]),
        (_SINGLE, ["the cat|good", "a dog|bad"], ["the cat|bad", "a dog|bad"], [_leak(2, 2, "100.0%")]),
        (_SINGLE, ["the cat|good"], ["The  CAT|good", "cat the|good"], [_leak(1, 2, "50.0%")]),
        (_SINGLE, ["the cat|good", "the cat|good"], ["the cat|good"], [_leak(1, 1, "100.0%")]),
        (_PAIR, ["the cat|a dog|good"], ["the cat|a dog|bad", "a dog|the cat|bad"], [_leak(1, 2, "50.0%")]),
        (_PAIR, ["the cat|a dog|good"], ["the|cat a dog|bad"], []),
        (_SCORE, ["the cat|1", "a dog|2"], ["the cat|3"], [_leak(1, 1, "100.0%")]),
        (_RANKING, ["the cat|a dog|yes", "the cat|bird|no"], ["the cat|a dog|yes"], [_leak(1, 1, "100.0%")]),
        (_LABELS, ["the cat|x;y", "a dog|"], ["a dog|x"], [_leak(1, 1, "100.0%")]),
        # Contradicting labels.
        (_SINGLE, ["the cat|good", "the cat|bad", "a dog|bad"], ["bird|good"], [_contradiction(1)]),
        (_SINGLE, ["cat|good", "cat|bad", "dog|bad", "dog|good", "dog|bad"], ["bird|good"], [_contradiction(2)]),
        (_SINGLE, ["the cat|good", "the cat|good"], ["bird|good"], []),
        (_PAIR, ["cat|dog|good", "dog|cat|bad"], ["bird|dog|good"], []),
        (_PAIR, ["cat|dog|good", "cat|dog|bad"], ["bird|dog|good"], [_contradiction(1)]),
        (_SCORE, ["the cat|1", "the cat|1.5"], ["bird|1"], [_contradiction(1)]),
        (_SCORE, ["the cat|1", "the cat|1.0"], ["bird|1"], []),
        (_RANKING, ["cat|dog|yes", "cat|dog|no"], ["cat|bird|yes"], [_contradiction(1)]),
        (_LABELS, ["the cat|x;y", "the cat|x"], ["bird|y"], [_contradiction(1)]),
        (_LABELS, ["the cat|x;y", "the cat|y;x"], ["bird|y"], []),
        # Texts that the tokenizer does not know.
        (_SINGLE, ["|good", "a dog|bad"], ["bird|good"], [_unknown(1, 2)]),
        (_SINGLE, ["|good", "   |good"], ["bird|good"], [_unknown(2, 2)]),
        (_SINGLE, ["☃|good", "☃ a|bad"], ["bird|good"], [_unknown(1, 2)]),
        (_SINGLE, ["the cat|good"], ["☃☃|good", "bird|bad"], [_unknown(1, 2, "validation")]),
        (_PAIR, ["||good", "|dog|bad"], ["☃|☃|good"], [_unknown(1, 2), _unknown(1, 1, "validation")]),
    ],
)
def test_what_makes_a_training_doubtful_is_one_line_each(tmp_path, caplog, task, train, validation, expected):
    assert _lines(task, tmp_path, train, validation, caplog) == expected


@pytest.mark.parametrize(("batch_size", "expected"), [(None, []), (2, []), (3, [_FEW])])
def test_fewer_rows_than_a_batch_are_said(tmp_path, caplog, batch_size, expected):
    train, validation = ["the cat|good", "a dog|bad"], ["bird|good"]
    assert _lines(_SINGLE, tmp_path, train, validation, caplog, batch_size=batch_size) == expected


def test_texts_are_compared_as_far_as_the_model_reads_them(tmp_path, caplog):
    train, validation = ["the cat a dog|good"], ["the cat a bird|good"]
    assert _lines(_SINGLE, tmp_path, train, validation, caplog, length=5) == [_leak(1, 1, "100.0%")]
    assert _lines(_SINGLE, tmp_path, train, validation, caplog, length=6) == []


def test_a_leak_is_refused_where_asked(tmp_path, caplog):
    train, validation = ["the cat|good", "a dog|bad"], ["the cat|good", "the bird|bad"]
    with pytest.raises(UserError, match=re.escape(f"{_leak(1, 2, '50.0%')}; remove them, or leave out `fail_on_leak`")):
        _lines(_SINGLE, tmp_path, train, validation, caplog, fail_on_leak=True)
    assert _lines(_SINGLE, tmp_path, train, ["the bird|bad"], caplog, fail_on_leak=True) == []


def test_rows_that_are_not_trained_on_leak_nothing(tmp_path, caplog):
    _lines(_SINGLE, tmp_path, ["the cat|good", "a dog|bad"], ["the cat|good"], caplog)
    data = EncodedData(DataSource("files", tmp_path), _TOKENIZER, 32, tmp_path / "cache")
    splits = [data.split(_SINGLE, name) for name in ("train", "validation")]
    caplog.clear()
    for rows in (np.array([1]), np.array([], np.int64)):
        DataChecks(fail_on_leak=True).check(splits[0], rows, splits[1:], _TOKENIZER)
    assert caplog.messages == []


def test_numbers_of_texts_differ_where_texts_do():
    generator = np.random.default_rng(0)
    # Many rows that differ in one piece, in the order of two, in their length, or in where the second text begins.
    rows = [tuple(row) for row in generator.integers(0, 3, (20000, 9)).tolist()]
    rows += [row[:size] for row in rows for size in (2, 5)]
    firsts = generator.integers(1, 3, len(rows))
    ends = np.cumsum([0, *map(len, rows)])
    encoded = EncodedSplit(
        _SINGLE, "train", [""] * len(rows), np.concatenate(rows), ends, firsts, np.zeros(len(rows)), "", {}
    )
    hashes = text_hashes(encoded)
    assert len(set(zip(rows, firsts.tolist()))) == len(set(hashes.tolist()))
    assert len(set(zip(rows, firsts.tolist(), hashes.tolist()))) == len(set(hashes.tolist()))
