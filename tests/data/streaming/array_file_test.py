from __future__ import annotations

import io

import numpy as np
import pytest

from mtdnn_tf.data.streaming.array_file import ArrayFile


@pytest.mark.parametrize("count", [0, 1, 99, 100_000])
@pytest.mark.parametrize("like", [np.empty(0, np.int32), np.empty((0, 3), np.float32), np.empty(0, np.int64)])
def test_bytes_are_those_of_numpy(tmp_path, count, like):
    shape = (count, *like.shape[1:])
    whole = np.arange(np.prod(shape)).astype(like.dtype).reshape(shape)
    with ArrayFile(tmp_path / "array.npy", like) as file:
        file.add(whole[: count // 3])
        file.add(np.asfortranarray(whole[count // 3 :]))
    expected = io.BytesIO()
    np.save(expected, whole)
    assert (tmp_path / "array.npy").read_bytes() == expected.getvalue()
    np.testing.assert_array_equal(np.load(tmp_path / "array.npy"), whole)


def test_rows_of_another_type_or_shape_are_refused(tmp_path):
    with ArrayFile(tmp_path / "array.npy", np.empty((0, 2), np.int32)) as file:
        for wrong in (np.zeros((1, 2), np.int64), np.zeros((1, 3), np.int32), np.zeros(2, np.int32)):
            with pytest.raises(ValueError, match="rows must be int32"):
                file.add(wrong)
