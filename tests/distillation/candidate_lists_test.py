import numpy as np
from scipy.special import softmax

from mtdnn_tf.distillation.candidate_lists import list_probabilities, relevance_distribution

# Lists of 3, 1 and 2 candidates, whose rows are not side by side.
QUERIES = np.array([0, 2, 0, 1, 2, 0], np.int32)


def test_probabilities_are_the_softmax_over_each_querys_candidates():
    scores = np.array([1.0, -2.0, 900.0, 7.0, 3.0, 899.0])
    expected = np.empty(6)
    for query in range(3):
        expected[query == QUERIES] = softmax(scores[query == QUERIES])
    np.testing.assert_allclose(list_probabilities(scores, QUERIES), expected, rtol=1e-12)


def test_gold_is_even_over_relevant_candidates():
    gold, has_gold = relevance_distribution(np.array([1, 0, 0, 1, 1, 1]), QUERIES)
    np.testing.assert_array_equal(gold, np.array([0.5, 0, 0, 1, 1, 0.5], np.float32))
    assert has_gold.all()


def test_queries_without_a_relevant_or_with_an_unlabelled_candidate_have_no_gold():
    gold, has_gold = relevance_distribution(np.array([1, 0, -1, 1, 0, 1]), QUERIES)
    assert has_gold.tolist() == [False, False, False, True, False, False]
    assert gold.tolist() == [0, 0, 0, 1, 0, 0]
