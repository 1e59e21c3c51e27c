import json
import math
import warnings

import numpy as np
import pytest
from sklearn.metrics import brier_score_loss, log_loss

from mtdnn_tf.evaluation.measures.calibration import calibration as task_calibration
from mtdnn_tf.json_files import to_json
from mtdnn_tf.tasks.task import Task

ANSWERS = Task("answers", "ranking", ("q", "a"), ("0", "1"), ("mrr",))


def calibration(probabilities, gold):
    labels = tuple("vwxyz"[: max(probabilities.shape[-1], 2)])
    return task_calibration(Task("nli", "classification", ("a", "b"), labels, ("accuracy",)), probabilities, gold)


def ranking_calibration(probabilities, gold, queries):
    return task_calibration(ANSWERS, probabilities[:, None], gold, queries)


def _plain(confidences, rights):
    """Returns the error and the bins by loops: (n - 1) / 10 < confidence <= n / 10."""
    members: list[list[tuple[float, float]]] = [[] for _ in range(10)]
    for confidence, right in zip(confidences, rights):
        members[next(n for n in range(10) if confidence <= (n + 1) / 10)].append((confidence, float(right)))
    error, bins = 0.0, []
    for pairs in members:
        if not pairs:
            bins.append((None, None, 0))
            continue
        confidence, accuracy = (sum(side) / len(pairs) for side in zip(*pairs))
        error += abs(accuracy - confidence) * len(pairs) / len(confidences)
        bins.append((confidence, accuracy, len(pairs)))
    return error, bins


def _check_bins(result, confidences, rights):
    error, bins = _plain(confidences, rights)
    assert result.ece == pytest.approx(error)
    assert len(result.bins) == 10
    for found, expected in zip(result.bins, bins):
        assert (found.confidence, found.accuracy, found.count) == pytest.approx(expected)


@pytest.mark.parametrize("labels", [2, 3, 5])
def test_scores_are_those_of_loops(labels):
    random = np.random.default_rng(labels)
    probabilities = random.dirichlet(np.ones(labels), 300).astype(np.float32)
    gold = random.integers(0, labels, 300).astype(np.int32)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        result = calibration(probabilities, gold)
    assert result is not None
    rows = probabilities.astype(float).tolist()
    assert result.nll == pytest.approx(sum(-math.log(row[label]) for row, label in zip(rows, gold)) / 300)
    brier = [sum((p - (index == label)) ** 2 for index, p in enumerate(row)) for row, label in zip(rows, gold)]
    assert result.brier == pytest.approx(sum(brier) / 300)
    _check_bins(result, [max(row) for row in rows], [row.index(max(row)) == label for row, label in zip(rows, gold)])
    assert sum(b.count for b in result.bins) == result.n == 300


def test_of_two_labels_brier_is_twice_scikit_learns():
    random = np.random.default_rng(9)
    positive, gold = random.random(50), random.integers(0, 2, 50)
    result = calibration(np.stack([1 - positive, positive], axis=1), gold)
    assert result is not None
    assert result.brier == pytest.approx(2 * brier_score_loss(gold, positive))
    assert result.nll == pytest.approx(log_loss(gold, positive))


def test_by_hand_with_confidences_on_the_edges_of_bins():
    probabilities = np.array([[1.0, 0.0], [0.6, 0.4], [0.0, 1.0], [0.3, 0.7], [0.5, 0.5]])
    result = calibration(probabilities, np.array([0, 1, 1, 1, -1]))
    assert result is not None
    assert result.nll == pytest.approx(-(math.log(0.4) + math.log(0.7)) / 4)
    assert result.brier == pytest.approx((0.72 + 0.18) / 4)
    assert result.ece == pytest.approx((0.6 + 0.3) / 4)
    # 0.6 belongs to (0.5, 0.6], 0.7 to (0.6, 0.7].
    assert [b.count for b in result.bins] == [0, 0, 0, 0, 0, 1, 1, 0, 0, 2]
    stored = to_json(result)
    assert json.loads(json.dumps(stored, allow_nan=False)) == stored
    assert stored["bins"][0] == {"confidence": None, "accuracy": None, "count": 0}
    assert stored["bins"][5] == {"confidence": 0.6, "accuracy": 0.0, "count": 1}


def test_a_right_confidence_has_no_error():
    # Of 10 answers with 0.8, 8 are right.
    probabilities = np.tile([0.8, 0.2], (10, 1))
    result = calibration(probabilities, np.array([0] * 8 + [1] * 2))
    assert result is not None
    assert result.ece == pytest.approx(0.0)


def test_an_impossible_truth_costs_much_but_not_everything():
    result = calibration(np.array([[0.0, 1.0]]), np.array([0]))
    assert result is not None
    assert result.nll == pytest.approx(-math.log(2.0**-52))
    assert result.brier == 2.0
    assert result.ece == 1.0
    ranked = ranking_calibration(np.array([0.0, 1.0]), np.array([1, 0]), np.array([0, 0]))
    assert ranked is not None
    assert ranked.nll == pytest.approx(result.nll)


def test_of_a_ranking_the_relevant_candidates_together_are_likely():
    random = np.random.default_rng(1)
    queries = random.permutation(np.repeat(np.arange(40), random.integers(1, 6, 40)))
    scores = random.random(len(queries))
    totals = {query: scores[queries == query].sum() for query in range(40)}
    probabilities = np.array([score / totals[query] for score, query in zip(scores, queries)])
    gold = (random.random(len(queries)) < 0.4).astype(np.int32)
    gold[queries == 7] = -1
    losses, confidences, rights = [], [], []
    for query in range(40):
        rows = [row for row in range(len(queries)) if queries[row] == query]
        relevant = [row for row in rows if gold[row] == 1]
        if not relevant or query == 7:
            continue
        losses.append(-math.log(sum(probabilities[row] for row in relevant)))
        top = max(rows, key=lambda row: probabilities[row])
        confidences.append(probabilities[top])
        rights.append(top in relevant)
    result = ranking_calibration(probabilities.astype(np.float32), gold, queries)
    assert result is not None
    assert 0 < sum(rights) < len(rights) < 39
    assert result.nll == pytest.approx(np.mean(losses), rel=1e-5)
    assert (result.n, result.brier) == (len(losses), None)
    error, bins = _plain(confidences, rights)
    assert result.ece == pytest.approx(error, rel=1e-5)
    assert [b.count for b in result.bins] == [count for *_, count in bins]


def test_a_ranking_that_prefers_nothing_is_calibrated_wherever_the_relevant_one_stands():
    for relevant in range(4):
        result = ranking_calibration(np.full(4, 0.25), np.eye(4, dtype=int)[relevant], np.zeros(4, int))
        assert result is not None
        assert result.ece == 0.0
        assert result.nll == pytest.approx(math.log(4))


def test_scores_have_no_calibration_and_rankings_need_queries():
    score = Task("score", "regression", ("a", "b"), metrics=("pearson",))
    assert task_calibration(score, np.ones((2, 1)), np.ones(2)) is None
    with pytest.raises(ValueError, match="must have the query of each row"):
        task_calibration(ANSWERS, np.ones((2, 1)), np.ones(2, int))


def test_without_gold_there_is_nothing_to_fit():
    assert calibration(np.array([[0.5, 0.5]]), np.array([-1])) is None
    assert calibration(np.zeros((0, 2)), np.zeros(0, int)) is None
    assert ranking_calibration(np.array([0.5, 0.5]), np.array([0, 0]), np.array([0, 0])) is None


@pytest.mark.parametrize("given", [[[2.0, -1.0]], [[0.7, 0.7]], [[math.nan, 1.0]], [[0.5, 0.5], [0.5, 0.5]], [1.0]])
def test_what_are_no_probabilities_is_refused(given):
    with pytest.raises(ValueError, match=r"needs probabilities|must have finite predictions"):
        calibration(np.array(given), np.array([0]))


def test_lists_that_do_not_sum_to_1_are_refused():
    with pytest.raises(ValueError, match="sum of 1"):
        ranking_calibration(np.array([1.0, 0.5, 0.4]), np.array([1, 1, 0]), np.array([0, 1, 1]))
    with pytest.raises(ValueError, match=r"must have finite predictions \[2, 1\], got \[1, 1\]"):
        ranking_calibration(np.array([1.0]), np.array([1, 0]), np.array([0]))
