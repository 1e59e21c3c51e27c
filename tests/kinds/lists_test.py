import numpy as np
from scipy.special import softmax

from mtdnn_tf.kinds.lists import list_probabilities

# Lists of 3, 1 and 2 candidates, whose rows are not side by side.
QUERIES = np.array([0, 2, 0, 1, 2, 0], np.int32)


def test_probabilities_are_the_softmax_over_each_querys_candidates():
    scores = np.array([1.0, -2.0, 900.0, 7.0, 3.0, 899.0])
    expected = np.empty(6)
    for query in range(3):
        expected[query == QUERIES] = softmax(scores[query == QUERIES])
    np.testing.assert_allclose(list_probabilities(scores, QUERIES), expected, rtol=1e-12)
