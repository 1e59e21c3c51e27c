from __future__ import annotations

import pytest

from mtdnn_tf.kinds.label_index import label_index


@pytest.mark.parametrize(
    ("text", "names", "index"),
    [
        ("buy", ("greet", "buy"), 1),
        ("1", ("greet", "buy"), 1),
        ("0", ("greet", "buy"), 0),
        ("2", ("greet", "buy"), None),
        ("-1", ("greet", "buy"), None),
        ("01", ("greet", "buy"), None),
        ("1.0", ("greet", "buy"), None),
        ("", ("greet", "buy"), None),
        ("1", ("1", "2", "3"), 0),
        ("0", ("1", "2", "3"), None),
        ("0", ("1", "other"), None),
    ],
)
def test_a_label_has_its_name_or_its_number(text: str, names: tuple[str, ...], index: int | None):
    assert label_index(text, names) == index
