"""Word pieces of examples, cut by TensorFlow while the next examples are read."""

from __future__ import annotations

import collections
import functools
from collections.abc import Callable, Generator, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from mtdnn_tf.data.packing import pack
from mtdnn_tf.data.sources.example import Example
from mtdnn_tf.data.tokenizer import Tokenizer

# What TensorFlow has to do while rows are read and written.
_BATCHES_AHEAD = 2


class TokenizedRows(NamedTuple):
    """Rows as packed by `packing.pack`."""

    token_ids: np.ndarray  # Of all rows, one after the other, int32 [tokens].
    lengths: np.ndarray  # Tokens of each row, int64 [rows].
    first_segment_lengths: np.ndarray  # Int32 [rows].
    truncated: np.ndarray  # Number of rows that were cut, int64 [].


def tokenized_batches(
    batches: Iterable[Sequence[Example]], tokenizer: Tokenizer, is_pair: bool, max_sequence_length: int
) -> Generator[tuple[Sequence[Example], TokenizedRows], None, None]:
    """Yields batches of examples with their word pieces.

    A thread of its own cuts them, so that the caller reads and writes meanwhile. Few batches are in memory.
    """
    encoder = _encoder(tokenizer, is_pair, max_sequence_length)

    def encode(batch: Sequence[Example]) -> TokenizedRows:
        columns = [[example.text_a for example in batch]]
        if is_pair:
            columns.append([example.text_b or "" for example in batch])
        with tf.device("CPU:0"):
            outputs = encoder(*(tf.constant(column, tf.string) for column in columns))
        return TokenizedRows(*(output.numpy() for output in outputs))

    waiting: collections.deque[tuple[Sequence[Example], Future[TokenizedRows]]] = collections.deque()
    with ThreadPoolExecutor(1) as pool:
        for batch in batches:
            waiting.append((batch, pool.submit(encode, batch)))
            if len(waiting) > _BATCHES_AHEAD:
                first, future = waiting.popleft()
                yield first, future.result()
        for first, future in waiting:
            yield first, future.result()


# Tracing takes longer than encoding thousands of rows, and the splits of a run share a tokenizer and a length.
@functools.lru_cache(maxsize=2)
def _encoder(tokenizer: Tokenizer, is_pair: bool, max_sequence_length: int) -> Callable[..., list[tf.Tensor]]:
    """Returns the function from texts to the fields of `TokenizedRows`."""

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string)] * (1 + is_pair), autograph=False)
    def encoder(*texts: tf.Tensor) -> list[tf.Tensor]:
        tokens = [tokenizer.tokenize(text) for text in texts]
        packed = pack(tokens[0], tokens[1] if is_pair else None, tokenizer, max_sequence_length)
        whole_lengths = 1 + sum(part.row_lengths() + 1 for part in tokens)
        whole_lengths += (tokenizer.ends_between - 1) * is_pair
        lengths = packed.token_ids.row_lengths()
        truncated = tf.math.count_nonzero(lengths < whole_lengths)
        return [packed.token_ids.values, lengths, packed.first_segment_lengths, truncated]

    return encoder
