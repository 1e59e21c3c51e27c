"""Unusual texts, from a data file to word pieces, against the `tokenizers` library's own tokenizer of BERT."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import BertWordPieceTokenizer

from mtdnn_tf.data.encoding import EncodedData
from mtdnn_tf.data.sources.source import DataSource
from mtdnn_tf.data.word_pieces import WordPieceTokenizer
from mtdnn_tf.errors import UserError
from mtdnn_tf.tasks.task import SplitFile, Task
from tests.hostile.strategies import SEEDED

TEXTS = {
    "empty": "",
    "blank": " \u3000\u2028 ",
    "100,000 characters": "the cat " * 12_500,
    "100,000 characters of one word": "x" * 100_000,
    "NUL": "the\x00 cat \x00",
    "controls": "\x01the\x07 c\x1bat\x7f \x85 \x9b[2J",
    "right to left": "\u05e9\u05dc\u05d5\u05dd the \u202ecat\u202c \u0645\u0631\u062d\u0628\u0627 \u200f123",
    "combining marks": "e\u0301\u0323 Z\u0351\u036b\u0343\u036a\u0302\u036b\u033d a" + "\u0301" * 500,
    "emoji": "\U0001f469\u200d\U0001f469\u200d\U0001f467\u200d\U0001f466 \U0001f1e9\U0001f1ea \u2764\ufe0f 5\ufe0f\u20e3",
    "tab": "the\tcat",
    "line breaks": "the\r\ncat\nsat\rdown",
    "not a character": "the\ufffe cat \U0010fffe \ufffd",
    "special tokens": "[CLS] the [SEP] cat [MASK] [UNK]",
    "quotes": 'the "cat", ""sat"" \'down\'',
    "mathematical": "\U0001d4ec\U0001d4ea\U0001d4fd \ufb01sh \u00bd \u2167",
    "Chinese": "\u6211\u7231\u732b and \u30cd\u30b3 \uace0\uc591\uc774",
}
_PLAIN = [chr(point) for point in range(0x21, 0x7F)]
VOCABULARY = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "the", "cat", *_PLAIN, *(f"##{c}" for c in _PLAIN)]
VOCABULARY += [c for text in TEXTS.values() for c in dict.fromkeys(text) if not c.isspace() and ord(c) > 0x7F]
VOCABULARY += [f"##{c}" for text in TEXTS.values() for c in dict.fromkeys(text) if not c.isspace() and ord(c) > 0x7F]
VOCABULARY = list(dict.fromkeys(VOCABULARY))
LENGTH = 512


def _expected(text: str, lowercase: bool) -> list[int]:
    reference = BertWordPieceTokenizer({piece: at for at, piece in enumerate(VOCABULARY)}, lowercase=lowercase)
    # What a text spells out is text here; `tokenizers` would take it for the token itself.
    ids = reference.encode(text.replace("[", " [ ").replace("]", " ] "), add_special_tokens=False).ids
    return [2, *ids[: LENGTH - 2], 3]


def _content(ending: str, texts: list[str]) -> str:
    if ending == ".jsonl":
        return "".join(json.dumps({"text": text, "label": "a"}) + "\n" for text in texts)
    if ending == ".csv":
        buffer = io.StringIO()
        csv.writer(buffer, lineterminator="\n", quoting=csv.QUOTE_ALL).writerows(
            [["text", "label"], *([t, "a"] for t in texts)]
        )
        return buffer.getvalue()
    return "text\tlabel\n" + "".join(f"{text}\ta\n" for text in texts)


def _encoded(folder: Path, ending: str, texts: list[str], lowercase: bool) -> list[list[int]]:
    folder.mkdir()
    (folder / f"data{ending}").write_bytes(_content(ending, texts).encode())
    files = {"train": SplitFile(f"data{ending}")}
    task = Task("task", "classification", ("text",), ("a", "b"), ("accuracy",), files=files)
    tokenizer = WordPieceTokenizer(VOCABULARY, lowercase)
    split = EncodedData(DataSource("files", folder), tokenizer, LENGTH, folder / "cache").split(task, "train")
    return [split.token_ids[a:b].tolist() for a, b in zip(split.offsets, split.offsets[1:])]


@pytest.mark.parametrize("lowercase", [True, False])
@pytest.mark.parametrize("ending", [".jsonl", ".csv", ".tsv"])
def test_a_file_of_unusual_texts_gets_the_ids_of_berts_tokenizer(tmp_path: Path, ending: str, lowercase: bool) -> None:
    # A line break ends a row of .tsv; before a .csv's own line end a \r is part of it (docs/reliability.md).
    left_out = {".jsonl": "", ".csv": "", ".tsv": "\t\r\n"}[ending]
    texts = {name: text for name, text in TEXTS.items() if not set(text) & {*left_out}}
    found = _encoded(tmp_path / "data", ending, list(texts.values()), lowercase)
    for (name, text), ids in zip(texts.items(), found):
        assert ids == _expected(text, lowercase), name


@settings(SEEDED, max_examples=60)
@given(
    texts=st.lists(
        st.text(st.sampled_from(sorted({*"".join(TEXTS.values()), *"aZ19"})), max_size=40), min_size=20, max_size=20
    )
)
def test_mixtures_of_them_get_the_ids_of_berts_tokenizer(
    record_property: Callable[[str, object], None], texts: list[str]
) -> None:
    record_property("trials", len(texts))
    for lowercase in (True, False):
        ids = _TOKENIZERS[lowercase].tokenize(texts).to_list()
        for text, found in zip(texts, ids):
            assert [2, *found[: LENGTH - 2], 3] == _expected(text, lowercase), text


_TOKENIZERS = {lowercase: WordPieceTokenizer(VOCABULARY, lowercase) for lowercase in (True, False)}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b'{"text": "a \\ud83d b", "label": "a"}\n', "data.jsonl:1: a text has half a surrogate pair"),
        (b'{"text": "a \xed\xa0\xbd b", "label": "a"}\n', "data.jsonl:1: not UTF-8"),
        (b'{"text": "a\tb", "label": "a"}\n', "data.jsonl:1: not JSON"),  # JSON spells a tab \\t.
        (b'{"text": "a\x00b", "label": "a"}\n', "data.jsonl:1: not JSON"),
        (b'{"text": null, "label": "a"}\n', "data.jsonl:1: column 'text' must be text, got null"),
        (b'{"text": ["a"], "label": "a"}\n', "data.jsonl:1: column 'text' must be text or a number"),
    ],
)
def test_what_is_no_text_is_refused_with_its_line(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "data.jsonl").write_bytes(content)
    task = Task(
        "task", "classification", ("text",), ("a", "b"), ("accuracy",), files={"train": SplitFile("data.jsonl")}
    )
    with pytest.raises(UserError, match=message):
        EncodedData(DataSource("files", tmp_path), _TOKENIZERS[True], LENGTH, tmp_path / "cache").split(task, "train")
    assert not (tmp_path / "cache").exists()
