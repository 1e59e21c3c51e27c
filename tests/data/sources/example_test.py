from __future__ import annotations

import subprocess

from mtdnn_tf.data.sources.example import HashedIds


def _sha256(text: str) -> str:
    """Returns the digest that the system's own program computes."""
    output = subprocess.run(["sha256sum"], input=text.encode(), capture_output=True, check=True).stdout
    return output.decode().split()[0]


def test_ids_begin_the_sha256_of_the_texts():
    ids = HashedIds()
    assert ids.next_id("a café", None) == _sha256("a café")[:16]
    assert ids.next_id("premise", "hypothesis") == _sha256("premise\x1fhypothesis")[:16]
    assert ids.next_id("premise", "") == _sha256("premise\x1f")[:16]


def test_repeated_texts_are_numbered_by_occurrence():
    ids = HashedIds()
    first = ids.next_id("a", "b")
    assert ids.next_id("ab", None) != first
    assert ids.next_id("b", "a") != first
    assert ids.next_id("a", "b") == f"{first}-2"
    assert ids.next_id("a", "b") == f"{first}-3"


def test_each_split_counts_its_own():
    assert HashedIds().next_id("a", None) == HashedIds().next_id("a", None)
