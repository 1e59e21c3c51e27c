from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from mtdnn_tf.data.packing import pack, to_model_inputs
from mtdnn_tf.data.word_pieces import WordPieceTokenizer
from mtdnn_tf.errors import UserError

TOKENIZER = WordPieceTokenizer(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "a"], lowercase=True)
START, END = 2, 3


def truncated_pair(first: list[int], second: list[int], budget: int) -> tuple[list[int], list[int]]:
    # What google-research/bert describes: take one token at a time from the longer text, from the second if equal.
    first, second = list(first), list(second)
    while len(first) + len(second) > budget:
        (first if len(first) > len(second) else second).pop()
    return first, second


@pytest.mark.parametrize("max_sequence_length", [4, 5, 8, 9, 12, 64])
def test_pairs_are_cut_as_by_a_loop_over_tokens(max_sequence_length):
    firsts = [list(range(100, 100 + a)) for a in range(14) for _ in range(14)]
    seconds = [list(range(200, 200 + b)) for _ in range(14) for b in range(14)]
    packed = pack(
        tf.ragged.constant(firsts, tf.int32), tf.ragged.constant(seconds, tf.int32), TOKENIZER, max_sequence_length
    )
    cut = [truncated_pair(a, b, max_sequence_length - 3) for a, b in zip(firsts, seconds)]
    assert packed.token_ids.to_list() == [[START, *a, END, *b, END] for a, b in cut]
    assert packed.first_segment_lengths.numpy().tolist() == [len(a) + 2 for a, _ in cut]
    assert packed.token_ids.dtype == packed.first_segment_lengths.dtype == tf.int32


def test_single_sentences_are_cut_at_their_end():
    packed = pack(tf.ragged.constant([[], [7, 8], [5, 6, 7, 8]], tf.int32), None, TOKENIZER, 5)
    assert packed.token_ids.to_list() == [[START, END], [START, 7, 8, END], [START, 5, 6, 7, END]]
    assert packed.first_segment_lengths.numpy().tolist() == [2, 4, 5]


@pytest.mark.parametrize("max_sequence_length", [4, 5, 8, 11])
def test_single_sentences_and_pairs_share_a_batch(max_sequence_length):
    firsts = [list(range(100, 100 + a)) for a in range(12) for _ in range(6)]
    seconds = [list(range(200, 200 + b)) if b % 2 else [] for _ in range(12) for b in range(6)]
    # An empty second text may still be one.
    is_pair = [bool(second) or row % 4 == 0 for row, second in enumerate(seconds)]
    packed = pack(
        tf.ragged.constant(firsts, tf.int32),
        tf.ragged.constant(seconds, tf.int32),
        TOKENIZER,
        max_sequence_length,
        tf.constant(is_pair),
    )
    rows = []
    for first, second, pair in zip(firsts, seconds, is_pair):
        a, b = truncated_pair(first, second, max_sequence_length - (3 if pair else 2))
        rows.append([START, *a, END, *b, END] if pair else [START, *a, END])
    assert packed.token_ids.to_list() == rows
    assert packed.first_segment_lengths.numpy().tolist() == [row.index(END) + 1 for row in rows]
    assert {True, False} == set(is_pair)


def test_model_inputs_are_padded_to_the_longest_row():
    packed = pack(tf.ragged.constant([[7], [7, 8]], tf.int32), tf.ragged.constant([[], [9]], tf.int32), TOKENIZER, 9)
    inputs = to_model_inputs(packed)
    np.testing.assert_array_equal(inputs["token_ids"], [[2, 7, 3, 3, 0, 0], [2, 7, 8, 3, 9, 3]])
    np.testing.assert_array_equal(inputs["segment_ids"], [[0, 0, 0, 1, 0, 0], [0, 0, 0, 0, 1, 1]])
    np.testing.assert_array_equal(inputs["padding_mask"], [[True] * 4 + [False] * 2, [True] * 6])
    assert [inputs[name].dtype for name in inputs] == [tf.int32, tf.int32, tf.bool]


def test_works_in_a_graph_of_unknown_batch_size_and_without_rows():
    @tf.function(input_signature=[tf.TensorSpec([None], tf.string)] * 2)
    def encode(first, second):
        packed = pack(TOKENIZER.tokenize(first), TOKENIZER.tokenize(second), TOKENIZER, 8)
        return to_model_inputs(packed)

    np.testing.assert_array_equal(encode(["a a"], [""])["token_ids"], [[2, 4, 4, 3, 3]])
    assert encode(tf.constant([], tf.string), tf.constant([], tf.string))["token_ids"].shape[0] == 0


def test_a_length_without_room_is_refused():
    tokens = tf.ragged.constant([[7]], tf.int32)
    with pytest.raises(UserError, match="`max_sequence_length` must be an integer >= 4, got 3"):
        pack(tokens, tokens, TOKENIZER, 3)
