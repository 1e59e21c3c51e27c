"""Packs the word pieces of one or two texts into what BERT reads, in core TensorFlow operations."""

from __future__ import annotations

from typing import NamedTuple

import tensorflow as tf

from mtdnn_tf.data.tokenizer import Tokenizer
from mtdnn_tf.errors import UserError

# Names the truncation that `pack` does, in the keys of cached encodings.
TRUNCATION = "longest_first"

# [CLS], [SEP], [SEP] and one word piece.
MIN_SEQUENCE_LENGTH = 4


class PackedTokens(NamedTuple):
    """Packed examples: `[CLS] a [SEP]` or `[CLS] a [SEP] b [SEP]`; RoBERTa has two tokens before b."""

    token_ids: tf.RaggedTensor  # int32 [batch, None]
    first_segment_lengths: tf.Tensor  # Length of "[CLS] a [SEP]", int32 [batch].


def check_max_sequence_length(max_sequence_length: int) -> None:
    """Refuses a length that has no room for a word piece."""
    if max_sequence_length < MIN_SEQUENCE_LENGTH:
        raise UserError(f"`max_sequence_length` must be an integer >= {MIN_SEQUENCE_LENGTH}, got {max_sequence_length}")


def pack(
    tokens_a: tf.RaggedTensor,
    tokens_b: tf.RaggedTensor | None,
    tokenizer: Tokenizer,
    max_sequence_length: int,
    has_second: tf.Tensor | None = None,
) -> PackedTokens:
    """Packs examples, cutting the longer text of a pair first where a row is too long.

    Of two texts of equal length the second loses the next word piece. BERT's own code removes them one by
    one; what is left follows from the lengths alone.

    Args:
        tokens_a: Word pieces of the first texts, int32 [batch, None].
        tokens_b: Those of the second texts; None for single sentences.
        tokenizer: Its ids of [CLS] and [SEP] are used.
        max_sequence_length: Maximum number of tokens per row, special tokens included, 4 or more.
        has_second: Which rows are pairs, bool [batch], all by default; other second texts have no word piece.
    """
    check_max_sequence_length(max_sequence_length)
    lengths_a = tf.cast(tokens_a.row_lengths(), tf.int32)
    if tokens_b is None:
        kept_a = tf.minimum(lengths_a, max_sequence_length - 2)
    else:
        lengths_b = tf.cast(tokens_b.row_lengths(), tf.int32)
        budget = max_sequence_length - 2 - tokenizer.ends_between
        # A single sentence has no second text's [SEP], and more places.
        of_first = budget if has_second is None else tf.where(has_second, budget, max_sequence_length - 2)
        kept_a = tf.minimum(lengths_a, tf.maximum(of_first - lengths_b, (budget + 1) // 2))
        kept_b = tf.minimum(lengths_b, tf.maximum(budget - lengths_a, budget // 2))

    start = tf.fill([tokens_a.nrows(), 1], tokenizer.start_id)
    end = tf.fill([tokens_a.nrows(), 1], tokenizer.end_id)
    parts = [start, _keep_first(tokens_a, kept_a), end]
    if tokens_b is not None:
        second_end = end
        if has_second is not None:
            ends = tf.fill([tf.math.count_nonzero(has_second, dtype=tf.int32)], tokenizer.end_id)
            counts = tf.cast(has_second, tokens_b.row_splits.dtype)
            second_end = tf.RaggedTensor.from_row_lengths(ends, counts, validate=False)
        parts += [*[second_end] * (tokenizer.ends_between - 1), _keep_first(tokens_b, kept_b), second_end]
    return PackedTokens(token_ids=tf.concat(parts, axis=1), first_segment_lengths=kept_a + 2)


def to_model_inputs(packed: PackedTokens) -> dict[str, tf.Tensor]:
    """Returns what a model reads: rows padded to the longest one, under KerasNLP's names.

    Padding has the id 0 in every vocabulary; the mask keeps the model from reading it. Each is [batch, longest row]:
    `token_ids` int32, `segment_ids` int32 (0 for the first segment and padding, 1 for the second) and `padding_mask`
    bool (True for tokens).
    """
    token_ids = packed.token_ids.to_tensor(default_value=0)
    positions = tf.range(tf.shape(token_ids)[1])
    padding_mask = positions < tf.cast(packed.token_ids.row_lengths(), tf.int32)[:, tf.newaxis]
    in_second = padding_mask & (positions >= packed.first_segment_lengths[:, tf.newaxis])
    return {"token_ids": token_ids, "segment_ids": tf.cast(in_second, tf.int32), "padding_mask": padding_mask}


def _keep_first(tokens: tf.RaggedTensor, counts: tf.Tensor) -> tf.RaggedTensor:
    """Returns the first `counts[i]` values of each row."""
    rows = tokens.value_rowids()
    positions = tf.range(tf.size(rows, rows.dtype)) - tf.gather(tokens.row_starts(), rows)
    kept = tf.boolean_mask(tokens.values, positions < tf.cast(tf.gather(counts, rows), positions.dtype))
    return tf.RaggedTensor.from_row_lengths(kept, tf.cast(counts, tokens.row_splits.dtype), validate=False)
