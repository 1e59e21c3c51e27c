import numpy as np
import scipy.special
import scipy.stats
from scipy.special import softmax

from mtdnn_tf.kinds.lists import list_probabilities
from mtdnn_tf.kinds.registry import KINDS

# Lists of 3, 1 and 2 candidates, whose rows are not side by side.
QUERIES = np.array([0, 2, 0, 1, 2, 0], np.int32)


def test_probabilities_are_the_softmax_over_each_querys_candidates():
    scores = np.array([1.0, -2.0, 900.0, 7.0, 3.0, 899.0])
    expected = np.empty(6)
    for query in range(3):
        expected[query == QUERIES] = softmax(scores[query == QUERIES])
    np.testing.assert_allclose(list_probabilities(scores, QUERIES), expected, rtol=1e-12)


def test_entropies_are_those_of_scipy():
    generator = np.random.default_rng(0)
    probabilities = generator.dirichlet([0.3, 0.3, 0.3], size=7).astype(np.float32)
    probabilities[0] = [0, 1, 0]
    found = np.asarray(KINDS["classification"].entropy(probabilities))
    np.testing.assert_allclose(found, scipy.stats.entropy(probabilities, axis=1), atol=1e-6)

    queries = np.array([1, 0, 1, 1, 2, 0, 1])
    lists = [scipy.special.softmax(generator.normal(size=(queries == query).sum())) for query in range(3)]
    candidates = np.zeros((7, 1))
    for query, values in enumerate(lists):
        candidates[queries == query, 0] = values
    found = np.asarray(KINDS["ranking"].entropy(candidates, queries))
    np.testing.assert_allclose(found, [scipy.stats.entropy(lists[query]) for query in queries], atol=1e-12)

    labels = generator.uniform(size=(5, 4))
    found = np.asarray(KINDS["multi_label"].entropy(labels))
    np.testing.assert_allclose(found, scipy.stats.bernoulli.entropy(labels).sum(axis=1), atol=1e-12)
    assert KINDS["regression"].entropy(labels[:, :1]) is None
