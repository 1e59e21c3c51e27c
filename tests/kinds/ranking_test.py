import numpy as np
import pytest
import tensorflow as tf
from scipy.special import log_softmax, softmax

from mtdnn_tf.errors import UserError
from mtdnn_tf.evaluation.measures.metrics import compute_metrics
from mtdnn_tf.kinds.ranking import Ranking
from mtdnn_tf.tasks.task import Task

RANKING = Ranking()
TASK = Task("answers", "ranking", ("q", "a"), ("0", "1"), ("mrr", "map", "accuracy_at_1"))
# Lists of 30, 1 and 2 candidates, shuffled.
GENERATOR = np.random.default_rng(0)
QUERIES = GENERATOR.permutation(np.repeat([0, 1, 2], [30, 1, 2])).astype(np.int32)
SCORES = GENERATOR.normal(0, 3, (33, 1)).astype(np.float32)
TEACHER = GENERATOR.normal(0, 3, (33, 1)).astype(np.float32)


def _list_sums(rows):
    return [float(np.asarray(rows)[query == QUERIES].sum()) for query in range(3)]


def test_the_rows_of_a_query_sum_to_the_likelihood_of_its_relevant_candidates():
    gold = np.zeros(33, np.float32)
    expected = []
    for query, relevant in enumerate((3, 1, 1)):
        rows = np.flatnonzero(query == QUERIES)
        gold[rows[:relevant]] = 1 / relevant
        expected.append(-log_softmax(SCORES[rows, 0])[:relevant].mean())
    np.testing.assert_allclose(
        _list_sums(RANKING.gold_loss(TASK, SCORES, gold[:, None], tf.constant(QUERIES))), expected, rtol=1e-5, atol=1e-6
    )
    assert expected[1] == 0.0  # A list of one has nothing to learn.


@pytest.mark.parametrize(
    ("loss", "temperature"), [("cross_entropy", 1.0), ("cross_entropy", 2.5), ("kl", 1.0), ("kl", 2.5), ("mse", 1.0)]
)
def test_distilled_losses_compare_the_lists(loss, temperature):
    expected = []
    for query in range(3):
        student, teacher = (values[query == QUERIES, 0] for values in (SCORES, TEACHER))
        q, log_p = softmax(teacher / temperature), log_softmax(student / temperature)
        cross_entropy = -(q * log_p).sum() * temperature**2
        entropy = -(q * np.log(q)).sum() * temperature**2
        mse = np.mean(((student - student.mean()) - (teacher - teacher.mean())) ** 2)
        expected.append({"cross_entropy": cross_entropy, "kl": cross_entropy - entropy, "mse": mse}[loss])
    losses = RANKING.distilled_loss(SCORES, TEACHER, tf.constant(QUERIES), loss, temperature)
    np.testing.assert_allclose(_list_sums(losses), expected, rtol=1e-4, atol=1e-5)


def test_compiled_losses_and_gradients_are_the_same():
    def run(scores):
        with tf.GradientTape() as tape:
            tape.watch(scores)
            losses = RANKING.distilled_loss(scores, TEACHER, tf.constant(QUERIES))
        return losses, tape.gradient(losses, scores)

    plain, compiled = run(tf.constant(SCORES)), tf.function(run, jit_compile=True)(tf.constant(SCORES))
    for one, other in zip(plain, compiled):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5)
    # The gradient of cross-entropy: student's less teacher's distribution.
    for query in range(3):
        rows = query == QUERIES
        expected = softmax(SCORES[rows, 0]) - softmax(TEACHER[rows, 0])
        np.testing.assert_allclose(plain[1].numpy()[rows, 0], expected, atol=1e-5)


# Lists of 3, 1 and 2 candidates, whose rows are not side by side.
LISTS = np.array([0, 2, 0, 1, 2, 0], np.int32)


def test_gold_is_even_over_relevant_candidates():
    gold, has_gold = RANKING.gold(TASK, np.array([1, 0, 0, 1, 1, 1]), LISTS)
    np.testing.assert_array_equal(gold, np.array([0.5, 0, 0, 1, 1, 0.5], np.float32))
    assert has_gold.all()


def test_queries_without_a_relevant_or_with_an_unlabelled_candidate_have_no_gold():
    gold, has_gold = RANKING.gold(TASK, np.array([1, 0, -1, 1, 0, 1]), LISTS)
    assert has_gold.tolist() == [False, False, False, True, False, False]
    assert gold.tolist() == [0, 0, 0, 1, 0, 0]


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


def test_metrics_by_hand():
    gold, queries = np.array([0, 1, 1, 1, 0]), np.array([0, 0, 0, 1, 1])
    metrics = compute_metrics(TASK, np.array([[3.0], [2.0], [1.0], [5.0], [4.0]]), gold, queries)
    assert metrics == pytest.approx(
        {"mrr": (1 / 2 + 1) / 2, "map": ((1 / 2 + 2 / 3) / 2 + 1) / 2, "accuracy_at_1": 0.5}
    )


def test_a_model_that_ranks_nothing_is_not_rewarded_for_the_files_order():
    gold, queries = np.array([1, 0, 0, 0]), np.zeros(4, np.int64)
    metrics = compute_metrics(TASK, np.zeros((4, 1)), gold, queries)
    assert metrics == {"mrr": 0.25, "map": 0.25, "accuracy_at_1": 0.0}


@pytest.mark.parametrize(
    ("scores", "gold", "rank", "average_precision"),
    [
        ([2, 2, 1], [1, 1, 0], 1, 1.0),
        ([2, 2, 1], [1, 0, 1], 2, (1 / 2 + 2 / 3) / 2),
        ([2, 2, 2, 1], [1, 1, 0, 0], 2, 2 / 3),
        ([3, 2, 2], [0, 1, 1], 2, 2 / 3),
        ([1, 1, 1, 1], [1, 1, 1, 1], 1, 1.0),
    ],
)
def test_a_relevant_candidate_comes_after_irrelevant_ones_that_are_tied_with_it_only(
    scores, gold, rank, average_precision
):
    metrics = compute_metrics(TASK, np.array(scores, float)[:, None], np.array(gold), np.zeros(len(gold), int))
    assert metrics == pytest.approx({"mrr": 1 / rank, "map": average_precision, "accuracy_at_1": float(rank == 1)})


def test_queries_without_gold_are_left_out():
    gold, queries = np.array([0, 0, 1, 0, -1, 1]), np.array([0, 0, 1, 1, 2, 2])
    metrics = compute_metrics(TASK, np.array([[1.0], [2], [1], [2], [1], [2]]), gold, queries)
    assert metrics == {"mrr": 0.5, "map": 0.5, "accuracy_at_1": 0.0}
    with pytest.raises(UserError, match="none of the 2 rows belongs to a query with a relevant candidate"):
        compute_metrics(TASK, np.zeros((2, 1)), gold[:2], queries[:2])
    with pytest.raises(ValueError, match="must have the query of each row"):
        compute_metrics(TASK, np.zeros((2, 1)), gold[2:4])
