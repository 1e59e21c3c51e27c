from __future__ import annotations

import numpy as np
import pytest

from mtdnn_tf.data.subset import subset_rows
from mtdnn_tf.errors import UserError


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


def test_a_limit_below_one_is_refused():
    with pytest.raises(UserError, match=r"1 or more.*0 given"):
        subset_rows(10, 0)
