"""Losses over lists of candidates; each row's part of its list's loss, so that a list's rows sum to it."""

from __future__ import annotations

from collections.abc import Callable

import tensorflow as tf

# float32 holds it, and no probability is left of it.
_MASKED = -1e9


def list_log_softmax(scores: tf.Tensor, queries: tf.Tensor) -> tf.Tensor:
    """Returns the log of the softmax over the candidates of each row's query (1901.11504 eq. 9, gamma = 1).

    Args:
        scores: Float32 [batch].
        queries: Whose query each row belongs to, int32 [batch]; all candidates of a query stand in the batch.

    Returns:
        Float32 [batch].
    """
    return scores - tf.reduce_logsumexp(tf.where(_same_query(queries), scores[tf.newaxis, :], _MASKED), axis=1)


def gold_list_loss(scores: tf.Tensor, gold: tf.Tensor, queries: tf.Tensor) -> tf.Tensor:
    """Returns each row's part of the cross-entropy against the gold distribution (1901.11504 eq. 8).

    Args:
        scores: Float32 [batch].
        gold: Float32 [batch]: even over the relevant candidates of a query, 0 for the others.
        queries: Int32 [batch].

    Returns:
        Float32 [batch].
    """
    return -gold * list_log_softmax(scores, queries)


def _cross_entropy(scores: tf.Tensor, teacher: tf.Tensor, queries: tf.Tensor) -> tf.Tensor:
    return -tf.exp(list_log_softmax(teacher, queries)) * list_log_softmax(scores, queries)


def _kl(scores: tf.Tensor, teacher: tf.Tensor, queries: tf.Tensor) -> tf.Tensor:
    return _cross_entropy(scores, teacher, queries) - _cross_entropy(teacher, teacher, queries)


def _mean_squared_error(scores: tf.Tensor, teacher: tf.Tensor, queries: tf.Tensor) -> tf.Tensor:
    same = tf.cast(_same_query(queries), tf.float32)
    candidates = tf.reduce_sum(same, axis=1)
    difference = scores - teacher
    # Scores mean the same after adding a constant to all of a list, so both sides are centred first.
    mean = tf.linalg.matvec(same, difference) / candidates
    return tf.square(difference - mean) / candidates


DISTILLED_LIST_LOSSES: dict[str, Callable[[tf.Tensor, tf.Tensor, tf.Tensor], tf.Tensor]] = {
    "cross_entropy": _cross_entropy,
    "kl": _kl,
    "mse": _mean_squared_error,
}


def _same_query(queries: tf.Tensor) -> tf.Tensor:
    """Returns which rows are candidates of the same query, bool [batch, batch]."""
    return queries[:, tf.newaxis] == queries[tf.newaxis, :]
