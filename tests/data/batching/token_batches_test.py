import numpy as np
import pytest

from mtdnn_tf.data.batching.batch_plan import BatchPlan, TaskRows
from mtdnn_tf.errors import UserError


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
        batches = list(plan.batches(epoch * plan.steps_per_epoch, (epoch + 1) * plan.steps_per_epoch))
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
    batches = list(plan.batches(0, plan.steps_per_epoch))
    tokens = np.array([len(batch.rows) * lengths[batch.rows].max() for batch in batches])
    assert np.median(tokens) > 0.75 * 2048
    assert plan.steps_per_epoch < 1.35 * lengths.sum() / 2048
    assert plan.padding_ratio() < 1.1
    # Short rows stand in larger batches.
    sizes = np.array([[len(batch.rows), lengths[batch.rows].max()] for batch in batches])
    assert np.corrcoef(sizes.T)[0, 1] < -0.7


def test_a_step_is_the_same_whether_walked_to_or_jumped_to_and_epochs_differ():
    walked = BatchPlan(_tasks(), 32, seed=1, batch_tokens=700)
    steps = walked.steps_per_epoch
    batches = [(batch.task_index, batch.rows.tolist()) for batch in walked.batches(0, 2 * steps)]
    for n in (steps + 7, 5, 2 * steps - 1, 0):
        jumped = BatchPlan(_tasks(), 32, seed=1, batch_tokens=700).step(n)
        assert (jumped.task_index, jumped.rows.tolist()) == batches[n]
    # Batches of few rows, as of one query, are often the same.
    first, second = ({tuple(r) for index, r in part if index == 2} for part in (batches[:steps], batches[steps:]))
    assert len(first & second) < 0.1 * len(first)


def test_no_tokens_are_refused():
    with pytest.raises(UserError, match="tokens of a batch are 1 or more, 0 given"):
        BatchPlan(_tasks(), 32, seed=1, batch_tokens=0)
