"""Disentangled attention: scores by content and relative position (DeBERTa, He et al. 2021, arXiv 2006.03654 sec. 3).

A score is the sum of a query's products with a key, with the key of their relative position, and of the key's product
with the query of that position (content to content, content to position, position to content). Positions' queries and
keys are rows of one table through the same layers as those of tokens (arXiv 2111.09543).
"""

from __future__ import annotations

import numpy as np
import tensorflow as tf

# The name, among a block's weights, of the rows of relative positions: [2 * length, width], of distances from
# length - 1 (the query comes after the key) down to -length.
RELATIVE_POSITIONS = "attention.self.relative_positions"
RELATIVE_DROPOUT = "attention.self.relative_positions.dropout"
_NUM_TERMS = 3


def rows_of_distances(buckets: int, max_positions: int) -> np.ndarray:
    """Returns the row of each distance from max_positions - 1 down to -max_positions, int32 [2 * max_positions].

    Distances up to half of `buckets` have rows of their own; larger ones share rows on a logarithmic scale, which ends
    at the largest distance of two positions.

    Args:
        buckets: Rows of the table for each direction, at least 2; the table has twice as many.
        max_positions: Most positions of a text.
    """
    distances = np.arange(max_positions - 1, -max_positions - 1, -1)
    own, apart = buckets // 2, np.abs(distances)
    is_far = apart > own
    bucket = distances.copy()
    if is_far.any():
        # In float32, as the reference computes it, which decides at the edge of a bucket.
        scale = np.log(np.float32((max_positions - 1) / own))
        along = np.log(apart[is_far].astype(np.float32) / np.float32(own)) / scale * np.float32(own - 1)
        bucket[is_far] = np.sign(distances[is_far]) * (np.ceil(along).astype(bucket.dtype) + own)
    return np.clip(bucket + buckets, 0, 2 * buckets - 1).astype(np.int32)


def rows_of_first_position(rows: tf.Tensor, length: tf.Tensor) -> tf.Tensor:
    """Returns, of the rows that `RELATIVE_POSITIONS` describes, those between the first position and each, in order."""
    return rows[length - 1 : -1]


def disentangled_scores(
    query: tf.Tensor, key: tf.Tensor, relative_query: tf.Tensor, relative_key: tf.Tensor, first_position: bool
) -> tf.Tensor:
    """Returns attention's scores, [batch, heads, length, length], or [batch, heads, 1, length] for the first position.

    Args:
        query: Of the positions that attend, [batch, heads, length, depth], or [batch, heads, 1, depth] for the first.
        key: Of all positions, [batch, heads, length, depth].
        relative_query: Of the rows that `RELATIVE_POSITIONS` describes, [1, heads, 2 * length, depth]; for the first
            position of those of `rows_of_first_position`, [1, heads, length, depth].
        relative_key: Of the same rows.
        first_position: Whether only the first position attends.
    """
    scale = (_NUM_TERMS * query.shape[-1]) ** -0.5
    query, relative_query = query * scale, relative_query * scale
    scores = tf.matmul(query, key, transpose_b=True)
    if first_position:
        by_key = tf.reduce_sum(key * relative_query, axis=-1)
        return scores + tf.matmul(query, relative_key, transpose_b=True) + by_key[:, :, tf.newaxis]
    length = tf.shape(key)[2]
    of_query = tf.matmul(query, relative_key, transpose_b=True)
    # In rising order, from -length.
    of_key = tf.matmul(key, relative_query[:, :, ::-1], transpose_b=True)
    to_position = _at_distances(of_query, length, length - 1, -1)
    to_content = _at_distances(of_key, length, length, None)
    return scores + to_position + tf.transpose(to_content, [0, 1, 3, 2])


def _at_distances(products: tf.Tensor, length: tf.Tensor, first: tf.Tensor, end: int | None) -> tf.Tensor:
    """Returns `length` numbers of each row of [batch, heads, length, 2 * length], in each from one place earlier.

    The first row's begin at `first`. Rows of one column less, cut from the same numbers, do that without a gather
    (Dai et al. 2019, arXiv 1901.02860 appendix B).
    """
    batch, heads = tf.unstack(tf.shape(products)[:2])
    flat = tf.reshape(products, [batch, heads, 2 * length * length])[:, :, first:end]
    return tf.reshape(flat, [batch, heads, length, 2 * length - 1])[:, :, :, :length]
