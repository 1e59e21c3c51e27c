from __future__ import annotations

import numpy as np
import pytest

from mtdnn_tf.data.subset import Part
from mtdnn_tf.errors import UserError


def subset_rows(num_rows, limit, seed=0):
    return Part(limit, seed=seed).rows(num_rows)


def test_a_smaller_part_is_contained_in_a_larger():
    previous: set[int] = set()
    for limit in (1, 2, 10, 99, 100, 101, None):
        rows = subset_rows(100, limit, seed=3)
        assert len(rows) == min(100, limit or 100)
        assert np.all(np.diff(rows) > 0)
        assert previous <= set(rows)
        previous = set(rows)
    assert previous == set(range(100))


def test_the_seed_chooses_the_part():
    assert subset_rows(1000, 10, seed=0).tolist() == subset_rows(1000, 10).tolist()
    assert subset_rows(1000, 10, seed=0).tolist() != subset_rows(1000, 10, seed=1).tolist()
    # Neither the first rows nor any other corner of the split.
    assert abs(subset_rows(10_000, 2_000).mean() - 5_000) < 300


def test_fractions_are_rounded_to_rows_and_nest():
    # SNLI's training set: 0.1 %, 1 %, 10 %.
    limits = [len(Part(fraction=fraction).rows(549_367)) for fraction in (1e-9, 0.001, 0.01, 0.1, 1.0)]
    assert limits == [1, 549, 5_494, 54_937, 549_367]
    parts = [set(Part(fraction=fraction, seed=7).rows(2_000)) for fraction in (0.001, 0.01, 0.1)]
    assert [len(part) for part in parts] == [2, 20, 200]
    assert parts[0] < parts[1] < parts[2]


def test_of_a_number_and_a_fraction_the_smaller_part_is_taken():
    given = ((None, None, 1_000), (30, None, 30), (30, 0.5, 30), (800, 0.5, 500))
    for max_examples, fraction, expected in given:
        assert len(Part(max_examples, fraction).rows(1_000)) == expected


def test_parts_of_a_ranking_are_whole_queries_and_nest():
    queries = np.random.default_rng(0).permutation(np.repeat(np.arange(50), [1, 2, 5, 2, 10] * 10))
    previous: set[int] = set()
    for limit in (1, 3, 20, 100, 199, 200, None):
        rows = Part(limit, seed=3).rows(200, queries)
        assert np.all(np.diff(rows) > 0)
        taken = set(queries[rows])
        assert set(rows) == {row for row, query in enumerate(queries) if query in taken}
        assert len(rows) <= (limit or 200) or len(taken) == 1
        assert len(rows) > min(limit or 200, 200) - 10
        assert previous <= set(rows)
        previous = set(rows)
    assert len(previous) == 200
    assert set(Part(40, seed=3).rows(200, queries)) != set(Part(40, seed=4).rows(200, queries))


@pytest.mark.parametrize(
    ("fields", "line"),
    [
        ({"max_examples": 0}, "`max_train_examples` must be an integer >= 1, got 0"),
        ({"fraction": 1.5}, "`train_fraction` must be a number > 0 and <= 1, got 1.5"),
        ({"fraction": 0.0}, "`train_fraction` must be a number > 0 and <= 1, got 0.0"),
        ({"seed": -1}, "`subset_seed` must be an integer >= 0 and <= 4294967295, got -1"),
    ],
)
def test_parts_out_of_bounds_are_refused(fields, line):
    with pytest.raises(UserError) as error:
        Part(**fields)
    assert str(error.value) == line
