from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest

from mtdnn_tf.data.streaming import text_lines
from mtdnn_tf.data.streaming.text_lines import JoinedTexts, TakenTexts, TextLines

TEXTS = ["a", "", "café", "猫\u2028 \r", "12-2"]


def _written(path: Path, texts: list[str], rest: bytes = b"rest") -> TextLines:
    path.write_bytes("".join(f"{text}\n" for text in texts).encode() + rest)
    return TextLines(path)


@pytest.fixture
def lines(tmp_path):
    return _written(tmp_path / "lines.txt", TEXTS)


def test_lines_are_those_of_a_list(lines):
    assert len(lines) == len(TEXTS)
    assert list(lines) == TEXTS
    assert [lines[place] for place in range(-5, 5)] == [TEXTS[place] for place in range(-5, 5)]
    assert lines[np.int64(2)] == "café"
    assert lines[1:4] == TEXTS[1:4]
    assert lines[::-2] == TEXTS[::-2]
    assert "café" in lines
    assert "rest" not in lines


def test_places_beyond_the_lines_are_refused(lines):
    for place in (5, -6):
        with pytest.raises(IndexError):
            lines[place]


def test_lines_equal_a_list_of_them(lines, tmp_path):
    assert lines == TEXTS
    assert lines != TEXTS[:-1]
    assert lines != [*TEXTS[:-1], "12"]
    assert not len(_written(tmp_path / "empty.txt", [], b""))


@pytest.mark.parametrize("content", [b"a\n\xff\n", b"a\n\xe7\x8c"])
def test_bytes_that_are_no_utf_8_are_refused(tmp_path, content):
    (tmp_path / "lines.txt").write_bytes(content)
    with pytest.raises(UnicodeDecodeError):
        TextLines(tmp_path / "lines.txt")


@pytest.mark.parametrize("bytes_read", [1, 7, 64, 1 << 20])
@pytest.mark.parametrize("count", [0, 1, 63, 64, 65, 127, 128, 129, 1000])
def test_every_line_is_found_among_many(tmp_path, monkeypatch, count, bytes_read):
    monkeypatch.setattr(text_lines, "_BYTES_READ_AT_ONCE", bytes_read)
    generator = random.Random(count)
    texts = ["".join(generator.choices("aé猫\u2028\r", k=generator.randint(0, 5))) for _ in range(count)]
    for rest in (b"", b"rest"):
        lines = _written(tmp_path / "lines.txt", texts, rest)
        assert len(lines) == count
        assert list(lines) == texts
        assert [lines[place] for place in range(count)] == texts


def test_taken_texts_are_those_of_their_rows(lines):
    taken = TakenTexts(lines, np.array([4, 0, 4]))
    assert taken == ["12-2", "a", "12-2"]
    assert TakenTexts(taken, np.array([1]))[-1] == "a"
    assert len(TakenTexts(lines, np.array([], np.int64))) == 0


def test_joined_texts_name_their_part(lines):
    joined = JoinedTexts([("x", lines), ("empty", []), ("y", ["a", "b"])])
    expected = [*(f"x/{text}" for text in TEXTS), "y/a", "y/b"]
    assert list(joined) == expected
    assert [joined[place] for place in range(len(joined))] == expected
