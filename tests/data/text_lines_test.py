import numpy as np
import pytest

from mtdnn_tf.data.encoded_split import TextLines

TEXTS = ["a", "", "café", "猫\u2028 \r", "12-2"]


@pytest.fixture
def lines():
    return TextLines("".join(f"{text}\n" for text in TEXTS).encode() + b"rest")


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


def test_lines_equal_a_list_of_them(lines):
    assert lines == TEXTS
    assert lines != TEXTS[:-1]
    assert lines != [*TEXTS[:-1], "12"]
    assert not len(TextLines(b""))


def test_bytes_that_are_no_utf_8_are_refused():
    with pytest.raises(UnicodeDecodeError):
        TextLines(b"a\n\xff\n")
