from __future__ import annotations

import numpy as np
import pytest

from mtdnn_tf.data.streaming import joined_arrays
from mtdnn_tf.data.streaming.joined_arrays import JoinedArray, JoinedLines


@pytest.mark.parametrize("most_open", [1, 100])
def test_files_are_read_as_one(tmp_path, monkeypatch, most_open):
    monkeypatch.setattr(joined_arrays, "_MOST_OPEN", most_open)
    whole, lengths = np.arange(30, dtype=np.float32).reshape(10, 3), [4, 1, 5]
    texts = [f"id {number}" for number in range(10)]
    arrays, lines, start = [tmp_path / f"{number}.npy" for number in range(3)], [], 0
    for array, length in zip(arrays, lengths):
        np.save(array, whole[start : start + length])
        lines.append(array.with_suffix(".txt"))
        lines[-1].write_text("".join(f"{text}\n" for text in texts[start : start + length]))
        start += length
    joined, ids = JoinedArray(arrays, lengths, whole[:0], "copy it"), JoinedLines(lines, lengths)
    assert len(joined) == 10 and joined.shape == whole.shape and joined.dtype == whole.dtype
    for rows in (slice(3, 6), slice(None), np.array([9, 0, 4, 4]), np.array([], np.int64)):
        assert np.array_equal(joined[rows], whole[rows])
    assert np.array_equal(np.asarray(joined), whole)
    with pytest.raises(IndexError, match="rows must be 0 to 9, got -1 to -1"):
        joined[np.array([-1])]
    assert list(ids) == texts and ids[3:6] == texts[3:6] and [ids[row] for row in (9, 0, 4)] == ["id 9", "id 0", "id 4"]
