from collections import Counter

import numpy as np
import pytest

from mtdnn_tf.data.batching.batch_plan import BatchPlan, TaskRows
from mtdnn_tf.data.batching.query_batches import QueryBatches, pack_sizes


def _rows(queries=400, seed=0):
    """Returns queries of 1 to 30 candidates, and one of 50, and lengths that differ much from query to query."""
    generator = np.random.default_rng(seed)
    sizes = np.append(generator.choice([1, 2, 5, 30], queries - 1, p=[0.2, 0.5, 0.2, 0.1]), 50)
    numbers = np.repeat(np.arange(queries), sizes)
    lengths = generator.integers(5, 100, queries)[numbers] + generator.integers(0, 4, len(numbers))
    shuffled = generator.permutation(len(numbers))
    return numbers[shuffled], lengths[shuffled]


def test_every_pass_holds_every_query_whole_and_once():
    queries, lengths = _rows()
    batches = QueryBatches(queries, lengths, batch_size=32, batches_per_chunk=10)
    for number in range(3):
        cut = batches.cut("task", 7, number)
        assert len(cut) == batches.count
        assert sorted(np.concatenate(cut)) == list(range(len(queries)))
        holding = Counter(query for rows in cut for query in set(queries[rows]))
        assert set(holding.values()) == {1}
        assert [len(rows) for rows in cut if len(rows) > 32] == [50]
    # Nearly all batches are full.
    assert batches.count <= 1 + np.ceil((len(queries) - 50) / 32) * 1.03


def test_queries_meet_others_in_other_passes_and_the_key_alone_decides():
    queries, lengths = _rows()

    def cut(*key):
        return [tuple(rows) for rows in QueryBatches(queries, lengths, 32, 10).cut(*key)]

    assert cut("task", 7, 1) == cut("task", 7, 1)
    for other in (("task", 7, 2), ("task", 8, 1), ("other", 7, 1)):
        first, second = ({frozenset(queries[list(rows)]) for rows in cut(*key)} for key in (("task", 7, 1), other))
        assert len(first & second) < 0.3 * len(first)


def test_batches_are_of_similar_length():
    queries, lengths = _rows(2000)
    plan = BatchPlan([TaskRows("ranking", lengths, queries)], 32, seed=1)
    assert plan.padding_ratio(2) < 1.2
    shuffled = BatchPlan([TaskRows("ranking", np.random.default_rng(0).permutation(lengths))], 32, seed=1)
    unsorted = np.mean([lengths[rows].max() / lengths[rows].mean() for rows in np.split(np.arange(3200), 100)])
    assert unsorted > 1.5 > shuffled.padding_ratio()


def test_a_ranking_changes_no_other_tasks_batches():
    queries, lengths = _rows()
    other = TaskRows("other", np.random.default_rng(1).integers(3, 60, 500))

    def batches(tasks, index):
        return [
            batch.rows.tolist() for batch in BatchPlan(tasks, 32, seed=3).batches(0, 200) if batch.task_index == index
        ]

    together = batches([TaskRows("ranking", lengths, queries), other], 1)
    assert together == batches([other], 0)[: len(together)]
    assert len(together) > 16


@pytest.mark.parametrize("seed", range(3))
def test_sizes_are_packed_whole_and_tightly(seed):
    sizes = np.random.default_rng(seed).integers(1, 40, 500)
    packed = pack_sizes(sizes, 32)
    assert sorted(size for batch in packed for size in batch) == sorted(sizes)
    assert all(sum(batch) <= 32 or len(batch) == 1 for batch in packed)
    large = sizes[sizes > 32]
    # Best fit decreasing needs at most 11/9 of the best possible and 1 more (Johnson et al. 1974).
    assert len(packed) <= len(large) + 11 / 9 * np.ceil(sizes[sizes <= 32].sum() / 32) + 10


def test_one_query_is_one_batch():
    assert [sorted(rows) for rows in QueryBatches(np.full(5, 9), np.ones(5), 3, 50).cut("a", 0, 0)] == [[0, 1, 2, 3, 4]]
