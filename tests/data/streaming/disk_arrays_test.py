from __future__ import annotations

import numpy as np
import pytest

from mtdnn_tf.data.streaming.disk_arrays import disk_array, row_blocks


def test_an_array_on_disk_leaves_no_file(tmp_path):
    array = disk_array(tmp_path, (5, 3), np.float64)
    array[2] = [1, 2, 3]
    assert array.sum() == 6 and array.dtype == np.float64 and type(array) is np.ndarray
    assert not list(tmp_path.iterdir())
    assert disk_array(tmp_path, (0, 3)).shape == (0, 3) and disk_array(None, (2,)).tolist() == [0, 0]


def test_a_full_disk_is_told_when_the_array_is_made(tmp_path):
    # Larger than any file.
    with pytest.raises(OSError, match=r"File too large|No space left"):
        disk_array(tmp_path, (1 << 59,))


@pytest.mark.parametrize(("rows", "sizes"), [(0, [0]), (1, [1]), (9, [9]), (10, [5, 5]), (11, [5, 6]), (14, [7, 7])])
def test_blocks_are_all_rows_and_none_is_small(rows, sizes):
    blocks = row_blocks(rows, at_once=5)
    assert [len(range(rows)[block]) for block in blocks] == sizes
    assert [row for block in blocks for row in range(rows)[block]] == list(range(rows))
