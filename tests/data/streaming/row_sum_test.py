from __future__ import annotations

import hashlib
import json
import random

import pytest

from mtdnn_tf.data.sources.example import Example
from mtdnn_tf.data.streaming.row_digest import RowDigest
from mtdnn_tf.data.streaming.row_sum import RowSum, json_row

ROWS: list[tuple[str, str, str | None]] = [
    (str(number), 'é \U0001f431 "q" \\ \u2028', None if number % 2 else "b") for number in range(50)
]


def test_the_sum_is_that_of_the_hashes_whatever_the_order_and_the_parts():
    expected = sum(int(hashlib.sha256(json.dumps(row).encode()).hexdigest(), 16) for row in ROWS) % 2**256
    shuffled = random.Random(0).sample(ROWS, len(ROWS))
    one, other = RowSum(), RowSum()
    one.add(map(json_row, shuffled[:20]))
    other.add(map(json_row, shuffled[20:]))
    one.add_sum(other.hexdigest())
    assert one.hexdigest() == RowSum(one.hexdigest()).hexdigest() == f"{expected:064x}"
    one.add([json_row(ROWS[0])])
    assert one.hexdigest() != f"{expected:064x}"


def test_the_digest_of_rows_has_the_same_sum(tmp_path):
    digests = []
    for rows in (ROWS, ROWS[::-1]):
        digest = RowDigest(tmp_path)
        digest.add([Example(row[0], row[1], row[2]) for row in rows])
        digests.append(digest.digests())
    again = RowDigest(tmp_path)
    again.add([Example(row[0], row[1], row[2]) for row in ROWS])
    total = RowSum()
    total.add(map(json_row, ROWS))
    assert digests == 2 * [(again.hexdigest(), total.hexdigest())]


@pytest.mark.parametrize("text", ["", "0", "g" * 64, "A" * 64, "0" * 65])
def test_a_text_that_is_no_sum_is_refused(text):
    with pytest.raises(ValueError, match="must be 64 hexadecimal digits"):
        RowSum(text)
