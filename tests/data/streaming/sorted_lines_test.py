from __future__ import annotations

import itertools
import random
import tracemalloc

import pytest

from mtdnn_tf.data.streaming.sorted_lines import SortedLines


@pytest.mark.parametrize("limit", [1, 1000, 20_000, 1 << 24])
def test_lines_are_sorted_by_code_points(tmp_path, limit):
    generator = random.Random(limit)
    # UTF-16 would sort the last two the other way round.
    letters = "aéb~\0\uffee\U0001f431"
    lines = ["".join(generator.choices(letters, k=generator.randint(1, 6))) for _ in range(3000)]
    ordered = SortedLines(tmp_path, limit)
    for start in range(0, len(lines), 100):
        ordered.add(lines[start : start + 100])
    assert list(itertools.chain.from_iterable(ordered.blocks())) == sorted(lines)
    assert not list(tmp_path.iterdir())


def test_a_line_longer_than_what_is_read_at_once(tmp_path):
    lines = [letter * 50_000 for letter in "cabdea"]
    ordered = SortedLines(tmp_path, limit=1)
    for line in lines:
        ordered.add([line])
    assert list(itertools.chain.from_iterable(ordered.blocks())) == sorted(lines)


def test_no_lines(tmp_path):
    assert list(itertools.chain.from_iterable(SortedLines(tmp_path).blocks())) == []


def test_memory_does_not_grow_with_the_lines(tmp_path):
    def peak(count: int) -> int:
        generator = random.Random(0)
        ordered = SortedLines(tmp_path, limit=200_000)
        tracemalloc.start()
        for _ in range(count // 100):
            ordered.add([f"{generator.random():.15f}" * 5 for _ in range(100)])
        assert sum(map(len, ordered.blocks())) == count
        try:
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    # Ten times the lines.
    assert peak(40_000) < 1.3 * peak(4000)
