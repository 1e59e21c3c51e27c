import numpy as np
import pytest

from mtdnn_tf.data.static_shapes import doubled_size, pad_length, repeat_last_row, static_size


def test_sizes_are_few_and_a_third_of_them_is_padding_at_most():
    sizes = [static_size(size) for size in range(513)]
    assert sorted(set(sizes)) == [16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512]
    assert all(given <= size for given, size in enumerate(sizes))
    assert all(given > 2 / 3 * size for given, size in enumerate(sizes) if given > 16)


@pytest.mark.parametrize(("size", "most", "expected"), [(5, 12, 12), (40, 45, 45), (45, 45, 45), (17, 512, 24)])
def test_the_largest_bucket_is_the_longest_sequence(size, most, expected):
    assert static_size(size, most) == expected


@pytest.mark.parametrize(("size", "base", "expected"), [(1, 8, 8), (8, 8, 8), (9, 8, 16), (33, 8, 64), (3, 1, 4)])
def test_a_number_of_rows_is_doubled_until_it_holds_them(size, base, expected):
    assert doubled_size(size, base) == expected


def test_padding_changes_no_row():
    mask = np.array([[True, True, True], [True, False, False]])
    batch = {"token_ids": np.array([[2, 7, 3], [2, 0, 0]]), "segment_ids": np.ones((2, 3), int), "padding_mask": mask}
    padded = pad_length({**batch, "gold": np.array([1.0, 0.0])}, 5)
    assert padded["token_ids"].tolist() == [[2, 7, 3, 0, 0], [2, 0, 0, 0, 0]]
    assert padded["segment_ids"].tolist() == [[1, 1, 1, 0, 0]] * 2
    assert padded["padding_mask"].sum(axis=1).tolist() == [3, 1]
    assert padded["padding_mask"].dtype == bool
    assert padded["gold"].tolist() == [1.0, 0.0]
    assert repeat_last_row(np.array([[1, 2], [3, 4]]), 4).tolist() == [[1, 2], [3, 4], [3, 4], [3, 4]]
