from __future__ import annotations

import collections
import hashlib
import json
import random

import pytest

from mtdnn_tf.data.sources.example import Example
from mtdnn_tf.data.streaming import row_digest
from mtdnn_tf.data.streaming.row_digest import RowDigest, data_fingerprint
from mtdnn_tf.data.streaming.sorted_lines import SortedLines

_CHARACTERS = ("a", "é", "猫", '"', "\\", "\u2028", "\0", "\1", ", ", "\ud800")


@pytest.fixture(params=[200, 1 << 24], ids=["on disk", "in memory"])
def rows(request, tmp_path, monkeypatch):
    """Makes an object whose lines are on disk or in memory."""
    monkeypatch.setattr(row_digest, "SortedLines", lambda folder: SortedLines(folder, request.param))

    def make(are_hashes: bool = False) -> RowDigest:
        return RowDigest(tmp_path, are_hashes)

    return make


def _expected(examples: list[Example]) -> str:
    """Returns the fingerprint as versions computed it that kept all examples in memory."""
    digest = hashlib.sha256()
    for example in sorted(examples, key=lambda example: example.example_id):
        parts = [example.example_id, example.text_a, example.text_b]
        digest.update(json.dumps(parts if example.group is None else [*parts, example.group]).encode())
    return digest.hexdigest()


def _add(rows: RowDigest, examples: list[Example]) -> None:
    for start in range(0, len(examples), 37):
        rows.add(examples[start : start + 37])


@pytest.mark.parametrize("has_groups", [False, True])
def test_unique_ids(rows, has_groups):
    generator = random.Random(1)
    ids = {"".join(generator.choices(_CHARACTERS[:-1], k=generator.randint(1, 6))) for _ in range(900)}
    examples = []
    for example_id in generator.sample(sorted(ids), len(ids)):
        first, second = ("".join(generator.choices(_CHARACTERS, k=3)) for _ in range(2))
        group = generator.choice("xyz") if has_groups else None
        examples.append(Example(example_id, first, generator.choice((second, None)), group=group))
    found = rows()
    _add(found, examples)
    assert found.hexdigest() == _expected(examples) == data_fingerprint(examples)
    assert not found.duplicates
    assert list(found.repeats()) == []


@pytest.mark.parametrize("has_groups", [False, True])
def test_repeated_hashes_are_numbered(rows, has_groups):
    generator = random.Random(2)
    hashed, numbered, repeats = [], [], []
    occurrences: collections.Counter[str] = collections.Counter()
    for row in range(900):
        number = generator.choice((0, 1, 2, 3, 10 + row))
        digest = f"{number * 2654435761 % 2**32:016x}"
        occurrences[digest] += 1
        of = occurrences[digest]
        example = Example(digest, f"text {number}", group=generator.choice("xyz") if has_groups else None)
        hashed.append(example)
        numbered.append(example._replace(example_id=digest if of == 1 else f"{digest}-{of}"))
        repeats += [(row, of)] if of > 1 else []
    assert max(occurrences.values()) > 100
    found = rows(are_hashes=True)
    _add(found, hashed)
    assert found.hexdigest() == _expected(numbered)
    assert list(found.repeats()) == repeats
    assert not found.duplicates


def test_duplicate_ids_are_found(rows):
    ids = [*map(str, range(500)), "\0é"]
    for added in (["17"], ["499", "17", "17"], ["\0é"]):
        found = rows()
        _add(found, [Example(example_id, "text") for example_id in [*ids, *added]])
        found.hexdigest()
        assert sorted(found.duplicates) == sorted(added)


def test_a_split_of_duplicates_names_some(rows):
    found = rows()
    _add(found, [Example(str(number % 5000), "text") for number in range(10_000)])
    found.hexdigest()
    assert 1000 < len(found.duplicates) < 10_000


def test_rows_with_numbers_come_in_any_order(tmp_path):
    """Parts of sorted rows, one after the other, are what is digested of all rows in their order."""
    texts = [f"text {number % 7}" for number in range(30)]
    examples = [
        Example(hashlib.sha256(text.encode()).hexdigest()[:16], text, group=f"query {number}")
        for number, text in enumerate(texts)
    ]
    whole = RowDigest(tmp_path, are_hashes=True)
    whole.add(examples)
    bound = sorted(example.example_id for example in examples)[12]
    digest, order = hashlib.sha256(), random.Random(0).sample(range(30), 30)
    for is_above in (False, True):
        rows = [number for number in order if (examples[number].example_id >= bound) is is_above]
        part = RowDigest(tmp_path, are_hashes=True, digits=18)
        part.add([examples[number] for number in rows], [10**12 + number for number in rows])
        digest.update("".join(content for block in part.blocks() for content in block).encode())
    assert digest.hexdigest() == whole.hexdigest()
