from collections import Counter

import numpy as np
import pytest

from mtdnn_tf.data.batching.batch_plan import BatchPlan, TaskRows
from mtdnn_tf.data.batching.packed_batches import Pass, QueryBatches, pack_sizes
from tests.data.batching.plans import padding_ratio, planned


def _rows(queries=400, seed=0):
    """Returns queries of 1 to 30 candidates, and one of 50, and lengths that differ much from query to query."""
    generator = np.random.default_rng(seed)
    sizes = np.append(generator.choice([1, 2, 5, 30], queries - 1, p=[0.2, 0.5, 0.2, 0.1]), 50)
    numbers = np.repeat(np.arange(queries), sizes)
    lengths = generator.integers(5, 100, queries)[numbers] + generator.integers(0, 4, len(numbers))
    shuffled = generator.permutation(len(numbers))
    return numbers[shuffled], lengths[shuffled]


def _batches(cut: Pass) -> list[np.ndarray]:
    return [cut.batch(number) for number in range(len(cut.starts))]


def _split(values: np.ndarray, borders: np.ndarray) -> list[np.ndarray]:
    assert borders[-1] == len(values)
    return np.split(values, borders[1:-1])


def test_every_pass_holds_every_query_whole_and_once():
    queries, lengths = _rows()
    batches = QueryBatches(queries, lengths, batch_size=32)
    for number in range(3):
        cut = _batches(batches.cut("task", 7, number))
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
        return [tuple(rows) for rows in _batches(QueryBatches(queries, lengths, 32).cut(*key))]

    assert cut("task", 7, 1) == cut("task", 7, 1)
    for other in (("task", 7, 2), ("task", 8, 1), ("other", 7, 1)):
        first, second = ({frozenset(queries[list(rows)]) for rows in cut(*key)} for key in (("task", 7, 1), other))
        assert len(first & second) < 0.3 * len(first)


def test_batches_are_of_similar_length():
    queries, lengths = _rows(2000)
    ranking = [TaskRows("ranking", lengths, queries)]
    assert padding_ratio(BatchPlan(ranking, 32, seed=1), ranking, 2) < 1.2
    shuffled = [TaskRows("ranking", np.random.default_rng(0).permutation(lengths))]
    unsorted = np.mean([lengths[rows].max() / lengths[rows].mean() for rows in np.split(np.arange(3200), 100)])
    assert unsorted > 1.5 > padding_ratio(BatchPlan(shuffled, 32, seed=1), shuffled)


def test_a_ranking_changes_no_other_tasks_batches():
    queries, lengths = _rows()
    other = TaskRows("other", np.random.default_rng(1).integers(3, 60, 500))

    def batches_of(tasks, index):
        return [
            batch.rows.tolist() for batch in planned(BatchPlan(tasks, 32, seed=3), 0, 200) if batch.task_index == index
        ]

    together = batches_of([TaskRows("ranking", lengths, queries), other], 1)
    assert together == batches_of([other], 0)[: len(together)]
    assert len(together) > 16


@pytest.mark.parametrize("seed", range(3))
def test_sizes_are_packed_whole_and_tightly(seed):
    sizes = np.random.default_rng(seed).integers(1, 40, 500)
    packed = [batch.tolist() for batch in _split(*pack_sizes(sizes, 32))]
    assert sorted(size for batch in packed for size in batch) == sorted(sizes)
    assert all(sum(batch) <= 32 or len(batch) == 1 for batch in packed)
    large = sizes[sizes > 32]
    # Best fit decreasing needs at most 11/9 of the best possible and 1 more (Johnson et al. 1974).
    assert len(packed) <= len(large) + 11 / 9 * np.ceil(sizes[sizes <= 32].sum() / 32) + 10


def test_one_query_is_one_batch():
    cut = _batches(QueryBatches(np.full(5, 9), np.ones(5), 3).cut("a", 0, 0))
    assert [sorted(rows) for rows in cut] == [[0, 1, 2, 3, 4]]


def _tasks():
    generator = np.random.default_rng(0)
    tasks = [
        TaskRows(name, np.minimum(generator.gamma(3, 8, rows) + 3, 128).astype(np.int32))
        for name, rows in (("small", 5), ("even", 320), ("large", 5003))
    ]
    queries = np.sort(generator.integers(0, 200, 900))
    lengths = np.minimum(generator.gamma(3, 8, 900) + 3 + queries % 50, 128).astype(np.int32)
    order = generator.permutation(900)
    return [*tasks, TaskRows("ranking", lengths[order], queries[order])]


@pytest.mark.parametrize("limit", [100, 700, 4096])
def test_every_row_once_an_epoch_and_no_batch_over_the_limit(limit):
    tasks = _tasks()
    plan = BatchPlan(tasks, 32, seed=1, batch_tokens=limit)
    assert plan.steps_per_epoch == BatchPlan(tasks, 7, seed=9, batch_tokens=limit).steps_per_epoch
    for epoch in range(3):
        batches = list(planned(plan, epoch * plan.steps_per_epoch, (epoch + 1) * plan.steps_per_epoch))
        for index, task in enumerate(tasks):
            own = [batch.rows for batch in batches if batch.task_index == index]
            assert sorted(np.concatenate(own)) == list(range(len(task.lengths)))
            for rows in own:
                units = set(rows) if task.queries is None else set(task.queries[rows])
                assert len(rows) * task.lengths[rows].max() <= limit or len(units) == 1
            if task.queries is not None:
                seen = [query for rows in own for query in set(task.queries[rows])]
                assert len(seen) == len(set(seen))


def test_batches_are_full_and_hardly_padded():
    lengths = _tasks()[2].lengths
    plan = BatchPlan([TaskRows("large", lengths)], 32, seed=1, batch_tokens=2048)
    batches = list(planned(plan, 0, plan.steps_per_epoch))
    tokens = np.array([len(batch.rows) * lengths[batch.rows].max() for batch in batches])
    assert np.median(tokens) > 0.75 * 2048
    assert plan.steps_per_epoch < 1.35 * lengths.sum() / 2048
    assert padding_ratio(plan, [TaskRows("large", lengths)]) < 1.1
    # Short rows stand in larger batches.
    sizes = np.array([[len(batch.rows), lengths[batch.rows].max()] for batch in batches])
    assert np.corrcoef(sizes.T)[0, 1] < -0.7


def test_a_step_is_the_same_whether_walked_to_or_jumped_to_and_epochs_differ():
    walked = BatchPlan(_tasks(), 32, seed=1, batch_tokens=700)
    steps = walked.steps_per_epoch
    batches = [(batch.task_index, batch.rows.tolist()) for batch in planned(walked, 0, 2 * steps)]
    for n in (steps + 7, 5, 2 * steps - 1, 0):
        jumped = BatchPlan(_tasks(), 32, seed=1, batch_tokens=700).step(n)
        assert (jumped.task_index, jumped.rows.tolist()) == batches[n]
    # Batches of few rows, as of one query, are often the same.
    first, second = ({tuple(r) for index, r in part if index == 2} for part in (batches[:steps], batches[steps:]))
    assert len(first & second) < 0.1 * len(first)
