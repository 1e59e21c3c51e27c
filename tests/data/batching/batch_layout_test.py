import numpy as np
import pytest

from mtdnn_tf.data.batching.batch_layout import doubled_size, lay_out, pad_length, restore_rows, static_size


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


# Whose query each of 13 rows belongs to.
QUERIES = np.array([0, 1, 1, 2, 2, 2, 2, 3, 0, 3, 3, 4, 1])


def _batch(query):
    size = len(query)
    return {
        "token_ids": np.arange(3 * size).reshape(size, 3),
        "example_weight": np.full(size, 1 / (query.max() + 1), np.float32),
        "query": query.astype(np.int32),
    }


@pytest.mark.parametrize("query", [np.arange(1), np.arange(5), np.arange(13), QUERIES, np.zeros(4, int)])
@pytest.mark.parametrize(("replicas", "parts"), [(1, 1), (2, 1), (3, 1), (1, 2), (1, 5), (1, 20), (2, 2), (3, 4)])
def test_every_row_counts_once_and_queries_stay_whole(query, replicas, parts):
    batch, layouts = _batch(query), lay_out(query, replicas, parts)
    assert len(layouts) == replicas
    found, homes = [], []
    for number, layout in enumerate(layouts):
        assert layout.rows.shape == (parts, layout.size)
        arranged = layout.arrange(batch)
        real = arranged["example_weight"] > 0
        np.testing.assert_array_equal(real, layout.is_real.ravel())
        assert not set(arranged["query"][real]) & set(arranged["query"][~real])
        found += arranged["token_ids"][real].tolist()
        homes += [(number, place // layout.size, arranged["query"][place]) for place in np.flatnonzero(real)]
    assert sorted(found) == batch["token_ids"].tolist()
    assert len(set(homes)) == len(set(query))
    if len(set(query)) == len(query):
        # The fewest places that hold the rows in equal parts.
        per_replica = -(-len(query) // replicas)
        assert {layout.size for layout in layouts} == {-(-per_replica // parts)}


def test_parts_of_a_replica_are_neighbours_and_the_largest_queries_are_dealt_first():
    assert [layout.rows.tolist() for layout in lay_out(np.arange(7), 2, 2)] == [[[0, 2], [4, 6]], [[1, 3], [5, 6]]]
    assert [layout.is_real.tolist() for layout in lay_out(np.arange(7), 2, 2)][1] == [[True, True], [True, False]]
    (layout,) = lay_out(QUERIES, 1, 3)
    assert [{int(QUERIES[row]) for row in rows[real]} for rows, real in zip(*layout)] == [{2}, {1, 0}, {3, 4}]


@pytest.mark.parametrize(("query", "replicas", "parts"), [(np.arange(7), 2, 2), (QUERIES, 3, 2), (np.arange(4), 1, 1)])
def test_outputs_come_back_in_the_order_of_the_rows(query, replicas, parts):
    batch = _batch(query)
    layouts = [layout.padded(9) for layout in lay_out(query, replicas, parts)]
    outputs = [layout.take(batch)["token_ids"] for layout in layouts]
    assert {len(values) for values in outputs} == {9 * parts}
    np.testing.assert_array_equal(restore_rows(layouts, outputs), batch["token_ids"])
