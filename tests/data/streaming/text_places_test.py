from __future__ import annotations

import random

import numpy as np
import pytest

from mtdnn_tf.data.streaming import text_places
from mtdnn_tf.data.streaming.text_lines import TakenTexts, TextLines
from mtdnn_tf.data.streaming.text_places import TextPlaces


@pytest.fixture(params=[False, True], ids=["hashes differ", "hashes collide"])
def texts(request, tmp_path, monkeypatch):
    """Returns 500 lines of a file; found in blocks, and in one case by a hash that has only three values."""
    monkeypatch.setattr(text_places, "_TEXTS_AT_ONCE", 64)
    if request.param:
        monkeypatch.setattr(text_places, "hash", lambda text: len(text) % 3, raising=False)
    path = tmp_path / "ids.txt"
    path.write_text("".join(f"id{number * 7919 % 500}\n" for number in range(500)), encoding="utf-8")
    return TextLines(path)


def test_places_are_those_of_a_dictionary(texts):
    expected = {text: place for place, text in enumerate(texts)}
    places = TextPlaces(texts)
    wanted = [*(f"id{number}" for number in random.Random(0).sample(range(600), 600)), "", "none"]
    assert places.of(wanted).tolist() == [expected.get(text, -1) for text in wanted]
    rows = np.array([3, 499, 0, 3])
    assert places.of(TakenTexts(texts, rows)).tolist() == rows.tolist()
    assert places.of([]).tolist() == []
    assert TextPlaces([]).of(["id1"]).tolist() == [-1]


def test_duplicates_are_found(texts):
    assert TextPlaces(texts).duplicate() is None
    assert TextPlaces([]).duplicate() is None
    assert TextPlaces([*texts, "id77"]).duplicate() == (texts[:].index("id77"), 500)
