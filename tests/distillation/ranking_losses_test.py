import numpy as np
import pytest
import tensorflow as tf
from scipy.special import log_softmax, softmax

from mtdnn_tf.distillation.losses import DistillationOptions, distilled_loss, gold_loss
from mtdnn_tf.tasks.task import Task

TASK = Task("answers", "ranking", ("q", "a"), ("0", "1"), ("mrr",))
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
        _list_sums(gold_loss(TASK, SCORES, gold, tf.constant(QUERIES))), expected, rtol=1e-5, atol=1e-6
    )
    assert expected[1] == 0.0  # A list of one has nothing to learn.


@pytest.mark.parametrize("temperature", [1.0, 2.5])
@pytest.mark.parametrize("loss", ["cross_entropy", "kl", "mse"])
def test_distilled_losses_compare_the_lists(loss, temperature):
    expected = []
    for query in range(3):
        student, teacher = (values[query == QUERIES, 0] for values in (SCORES, TEACHER))
        q, log_p = softmax(teacher / temperature), log_softmax(student / temperature)
        cross_entropy = -(q * log_p).sum() * temperature**2
        entropy = -(q * np.log(q)).sum() * temperature**2
        mse = np.mean(((student - student.mean()) - (teacher - teacher.mean())) ** 2)
        expected.append({"cross_entropy": cross_entropy, "kl": cross_entropy - entropy, "mse": mse}[loss])
    options = DistillationOptions(loss=loss, temperature=temperature)
    losses = distilled_loss(TASK, SCORES, TEACHER, tf.constant(QUERIES), options)
    np.testing.assert_allclose(_list_sums(losses), expected, rtol=1e-4, atol=1e-5)


def test_compiled_losses_and_gradients_are_the_same():
    def run(scores):
        with tf.GradientTape() as tape:
            tape.watch(scores)
            losses = distilled_loss(TASK, scores, TEACHER, tf.constant(QUERIES), DistillationOptions())
        return losses, tape.gradient(losses, scores)

    plain, compiled = run(tf.constant(SCORES)), tf.function(run, jit_compile=True)(tf.constant(SCORES))
    for one, other in zip(plain, compiled):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5)
    # The gradient of cross-entropy: student's less teacher's distribution.
    for query in range(3):
        rows = query == QUERIES
        expected = softmax(SCORES[rows, 0]) - softmax(TEACHER[rows, 0])
        np.testing.assert_allclose(plain[1].numpy()[rows, 0], expected, atol=1e-5)
