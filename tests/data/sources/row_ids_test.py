from __future__ import annotations

import pytest

from mtdnn_tf.data.sources.example import text_hash
from mtdnn_tf.data.sources.row_ids import StreamedIds, UniqueIds
from mtdnn_tf.errors import UserError


def test_streamed_ids_are_not_compared():
    ids = StreamedIds()
    assert ids.hashed("a", None) == ids.hashed("a", None) == text_hash("a", None)
    ids.check("x", "here")
    ids.check("x", "there")


def test_unique_ids_are_numbered_or_refused():
    ids = UniqueIds()
    assert ids.hashed("a", "b") == text_hash("a", "b")
    assert ids.hashed("a", "b") == f"{text_hash('a', 'b')}-2"
    ids.check("x", "here")
    ids.check("y", "here, too")
    with pytest.raises(UserError, match=r"^there: duplicate id 'x', also at here; ids must be unique$"):
        ids.check("x", "there")


def test_only_some_ids_are_compared():
    ids = UniqueIds({"x"})
    for example_id in "yyx":
        ids.check(example_id, "here")
    with pytest.raises(UserError, match="there: duplicate id 'x', also at here"):
        ids.check("x", "there")
