import numpy as np
import pytest

from mtdnn_tf.errors import UserError
from mtdnn_tf.evaluation.metrics import compute_metrics
from mtdnn_tf.tasks.task import Task

TASK = Task("answers", "ranking", ("q", "a"), ("0", "1"), ("mrr", "map", "accuracy_at_1"))


def _plain(scores, gold, queries):
    """Returns the three metrics by sorting each list; no two scores are equal."""
    reciprocal, average, first = [], [], []
    for query in sorted(set(queries)):
        ranked = sorted((-score, label) for score, label, of in zip(scores, gold, queries) if of == query)
        hits = [rank for rank, (_, label) in enumerate(ranked, start=1) if label]
        if not hits:
            continue
        reciprocal.append(1 / hits[0])
        average.append(sum((number + 1) / rank for number, rank in enumerate(hits)) / len(hits))
        first.append(float(hits[0] == 1))
    return {name: sum(v) / len(v) for name, v in zip(TASK.metrics, (reciprocal, average, first))}


@pytest.mark.parametrize("seed", range(5))
def test_metrics_are_those_of_sorted_lists(seed):
    random = np.random.default_rng(seed)
    queries = random.permutation(np.repeat(np.arange(60), random.choice([1, 2, 30], 60)))
    gold = (random.random(len(queries)) < 0.2).astype(np.int32)
    scores = random.permutation(len(queries)).astype(np.float32)
    expected = _plain(scores, gold, queries)
    assert 0.05 < expected["accuracy_at_1"] < 0.95
    assert compute_metrics(TASK, scores[:, None], gold, queries) == pytest.approx(expected)


def test_by_hand():
    gold, queries = np.array([0, 1, 1, 1, 0]), np.array([0, 0, 0, 1, 1])
    metrics = compute_metrics(TASK, np.array([[3.0], [2.0], [1.0], [5.0], [4.0]]), gold, queries)
    assert metrics == pytest.approx(
        {"mrr": (1 / 2 + 1) / 2, "map": ((1 / 2 + 2 / 3) / 2 + 1) / 2, "accuracy_at_1": 0.5}
    )


def test_a_model_that_ranks_nothing_is_not_rewarded_for_the_files_order():
    gold, queries = np.array([1, 0, 0, 0]), np.zeros(4, np.int64)
    metrics = compute_metrics(TASK, np.zeros((4, 1)), gold, queries)
    assert metrics == {"mrr": 0.25, "map": 0.25, "accuracy_at_1": 0.0}


def test_queries_without_gold_are_left_out():
    gold, queries = np.array([0, 0, 1, 0, -1, 1]), np.array([0, 0, 1, 1, 2, 2])
    metrics = compute_metrics(TASK, np.array([[1.0], [2], [1], [2], [1], [2]]), gold, queries)
    assert metrics == {"mrr": 0.5, "map": 0.5, "accuracy_at_1": 0.0}
    with pytest.raises(UserError, match="none of the 2 rows belongs to a query with a relevant candidate"):
        compute_metrics(TASK, np.zeros((2, 1)), gold[:2], queries[:2])
    with pytest.raises(ValueError, match="take the query of each row"):
        compute_metrics(TASK, np.zeros((2, 1)), gold[2:4])
